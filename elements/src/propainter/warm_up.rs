//! From READY on the networks are read, and on a card their kernels are started, so that a live
//! stream's first frames are not late. A thread of its own does it, and tells of it in PROGRESS
//! messages; the worker waits for it with the first frame.

use std::{
    sync::{Arc, Once},
    thread::{self, JoinHandle},
};

use gst::{prelude::*, subclass::prelude::*};
use propainter::{Cancel, Model, Warm, internals::isa::Isa};

use super::imp::{CAT, Propainter};

/// The code of the messages.
const CODE: &str = "open";

/// The thread at work.
pub struct WarmUp {
    thread: JoinHandle<()>,
    cancel: Cancel,
}

impl Propainter {
    pub(super) fn begin_warm_up(&self) {
        // The same for all elements of a process.
        static LOGGED: Once = Once::new();
        LOGGED.call_once(|| gst::info!(CAT, imp = self, "{}", Isa::describe()));
        let settings = self.settings.lock().clone();
        // The size means nothing here, and a wrong setting is the first frame's error.
        let Ok(config) = settings.config((8, 8), false) else {
            return;
        };
        if config.engine() != Model::Propainter {
            return;
        }
        let cancel = Cancel::default();
        let (element, token) = (self.obj().downgrade(), cancel.clone());
        self.shared.lock().warming = true;
        self.post_progress(gst::ProgressType::Start, "reading the networks");
        let thread = thread::Builder::new()
            .name("propainter-warm".to_owned())
            .spawn(move || {
                let warm = Warm::up(&config, &token);
                if let Some(element) = element.upgrade() {
                    element.imp().warmed_up(warm);
                }
            });
        match thread {
            Ok(thread) => *self.warm_up.lock() = Some(WarmUp { thread, cancel }),
            Err(_) => self.warmed_up(Ok(None)),
        }
    }

    fn warmed_up(&self, warm: Result<Option<Warm>, propainter::Error>) {
        let (kind, text) = match &warm {
            Ok(Some(warm)) => {
                let [reading, starting] =
                    [warm.reading, warm.starting].map(|time| time.as_secs_f64());
                let text =
                    format!("networks read in {reading:.2} s, kernels started in {starting:.2} s");
                (gst::ProgressType::Complete, text)
            }
            Ok(None) => (gst::ProgressType::Canceled, "not needed".to_owned()),
            Err(propainter::Error::Cancelled) => {
                (gst::ProgressType::Canceled, "cancelled".to_owned())
            }
            // It comes again with the first frame, and is an error then.
            Err(error) => (gst::ProgressType::Error, error.to_string()),
        };
        gst::info!(CAT, imp = self, "{text}");
        {
            let mut state = self.shared.lock();
            state.warming = false;
            state.warm = warm.ok().flatten().map(Arc::new);
        }
        self.shared.notify();
        self.post_progress(kind, &text);
    }

    /// Forgets what is warm.
    pub(super) fn end_warm_up(&self) {
        let warm_up = self.warm_up.lock().take();
        if let Some(WarmUp { thread, cancel }) = warm_up {
            cancel.cancel();
            if thread.join().is_err() {
                gst::error!(CAT, imp = self, "the warm-up panicked");
            }
        }
        let mut state = self.shared.lock();
        state.warming = false;
        state.warm = None;
    }

    fn post_progress(&self, kind: gst::ProgressType, text: &str) {
        let element = self.obj();
        let message = gst::message::Progress::builder(kind, CODE, text);
        // Without a bus nobody listens.
        let _ = element.post_message(message.src(&*element).build());
    }
}
