//! The warm-up: from READY on the networks are read and, on a GPU, their kernels are started, so
//! that the first frames of a live stream are not late.
//!
//! A thread of its own does it and reports it in PROGRESS messages. The worker waits for it before
//! the first frame.

use std::{
    sync::{Arc, Once},
    thread::{self, JoinHandle},
};

use propainter::{Cancel, Model, Warm, internals::isa::Isa};

use crate::propainter::{bus::progress, log::CAT, stream::context::Context};

/// The running warm-up.
pub struct WarmUp {
    thread: JoinHandle<()>,
    cancel: Cancel,
}

/// Begins the warm-up; `None` if the settings need none.
pub fn begin(cx: &Context) -> Option<WarmUp> {
    // The instruction set is the same for all elements of a process.
    static LOGGED: Once = Once::new();
    LOGGED.call_once(|| gst::info!(CAT, obj = cx.element, "{}", Isa::describe()));
    let settings = cx.settings.lock().clone();
    // The size has no influence, and a wrong setting is an error at the first frame.
    let config = settings.config((8, 8), false).ok()?;
    if config.engine() != Model::Propainter {
        return None;
    }
    let cancel = Cancel::default();
    let (context, token) = (cx.downgrade(), cancel.clone());
    cx.state.lock().warming_up = true;
    progress::post_progress(
        &cx.element,
        gst::ProgressType::Start,
        "reading the networks",
    );
    let thread = thread::Builder::new()
        .name("propainter-warm".to_owned())
        .spawn(move || {
            let tell = |done: usize, frames: usize| {
                if let Some(context) = context.upgrade() {
                    let text = format!("kernels started for {done} of {frames} frames");
                    let kind = gst::ProgressType::Continue;
                    progress::post_progress(&context.element, kind, &text);
                }
            };
            let warm = Warm::up(&config, &token, &tell);
            if let Some(context) = context.upgrade() {
                finish(&context, warm);
            }
        });
    match thread {
        Ok(thread) => Some(WarmUp { thread, cancel }),
        Err(_) => {
            finish(cx, Ok(None));
            None
        }
    }
}

fn finish(cx: &Context, warm: Result<Option<Warm>, propainter::Error>) {
    let (kind, text) = match &warm {
        Ok(Some(warm)) => {
            let [reading, starting] = [warm.reading, warm.starting].map(|time| time.as_secs_f64());
            let text =
                format!("networks read in {reading:.2} s, kernels started in {starting:.2} s");
            (gst::ProgressType::Complete, text)
        }
        Ok(None) => (gst::ProgressType::Canceled, "not needed".to_owned()),
        Err(propainter::Error::Cancelled) => (gst::ProgressType::Canceled, "cancelled".to_owned()),
        // It comes again with the first frame, and ends the stream then.
        Err(error) => (gst::ProgressType::Error, error.to_string()),
    };
    gst::info!(CAT, obj = cx.element, "{text}");
    {
        let mut state = cx.state.lock();
        state.warming_up = false;
        state.warm = warm.ok().flatten().map(Arc::new);
    }
    cx.state.notify();
    progress::post_progress(&cx.element, kind, &text);
}

/// Ends the warm-up and drops the networks that no session has taken.
pub fn end(cx: &Context, warm_up: Option<WarmUp>) {
    if let Some(WarmUp { thread, cancel }) = warm_up {
        cancel.cancel();
        if thread.join().is_err() {
            gst::error!(CAT, obj = cx.element, "the warm-up panicked");
        }
    }
    let mut state = cx.state.lock();
    state.warming_up = false;
    state.warm = None;
}
