//! A timer on the pipeline's clock.

use gst::{ClockTime, SingleShotClockId, prelude::*};

/// A wake-up at one running time at most. Dropping it cancels it.
#[derive(Default)]
pub struct ClockWakeup(Option<(ClockTime, SingleShotClockId)>);

impl ClockWakeup {
    /// Schedules a call of `wake` at `running_time`, and at no time that was set before. Without a
    /// clock nothing is scheduled.
    pub fn set<W>(
        &mut self,
        element: &gst::Element,
        running_time: ClockTime,
        wake: impl FnOnce() -> W,
    ) where
        W: FnOnce() + Send + 'static,
    {
        let (Some(clock), Some(base)) = (element.clock(), element.base_time()) else {
            self.cancel();
            return;
        };
        // The base time changes with a pause.
        let time = base.saturating_add(running_time);
        if self.0.as_ref().is_some_and(|(set, _)| *set == time) {
            return;
        }
        self.cancel();
        let id = clock.new_single_shot_id(time);
        let wake = wake();
        if id.wait_async(move |_, _, _| wake()).is_ok() {
            self.0 = Some((time, id));
        }
    }

    fn cancel(&mut self) {
        if let Some((_, id)) = self.0.take() {
            id.unschedule();
        }
    }
}

impl Drop for ClockWakeup {
    fn drop(&mut self) {
        self.cancel();
    }
}
