//! The task of the source pad.

use gst::prelude::*;

use crate::propainter::{
    log::CAT,
    pads::src,
    stream::{
        context::Context,
        run::{Phase, Run},
    },
};

/// Activates the source pad and starts its task, or deactivates the pad and stops the task.
///
/// # Errors
/// The task does not stop.
pub fn activate(cx: &Context, active: bool) -> Result<(), gst::LoggableError> {
    if active {
        resume(cx, |_| true);
        return Ok(());
    }
    {
        let run = &mut cx.state.lock().run;
        run.phase = Phase::Inactive;
        run.invalidate();
    }
    cx.state.notify();
    cx.src
        .stop_task()
        .map_err(|_| gst::loggable_error!(CAT, "the task of the source pad does not stop"))?;
    cx.state.lock().run.clear_queue();
    Ok(())
}

/// Ends a flush and starts the task again, if the source pad is active.
pub fn start(cx: &Context) {
    resume(cx, |run| run.phase != Phase::Inactive);
}

fn resume(cx: &Context, may: impl FnOnce(&Run) -> bool) {
    let mut state = cx.state.lock();
    if may(&state.run) {
        state.run.phase = Phase::Running;
        let (weak, guard) = (cx.downgrade(), cx.guard);
        // Under the lock, so that a deactivation cannot come between and be undone.
        let started = cx.src.start_task(move || {
            if let Some(context) = weak.upgrade() {
                guard(&context.element, &mut || src::send_next(&context));
            }
        });
        if started.is_err() {
            gst::error!(
                CAT,
                obj = cx.element,
                "the task of the source pad does not start"
            );
        }
    }
    drop(state);
    cx.state.notify();
}
