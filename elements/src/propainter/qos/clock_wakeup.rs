//! Rings the state's bell when the pipeline's clock reaches a time.

use gst::{ClockTime, SingleShotClockId, prelude::*, subclass::prelude::*};

use crate::propainter::imp::Propainter;

/// One time at most; dropped, it does not ring.
#[derive(Default)]
pub struct Alarm(Option<(ClockTime, SingleShotClockId)>);

impl Alarm {
    /// Rings at `running_time`, and at no time set before. Without a clock it never rings.
    pub fn set(&mut self, imp: &Propainter, running_time: ClockTime) {
        let element = imp.obj();
        let (Some(clock), Some(base)) = (element.clock(), element.base_time()) else {
            self.clear();
            return;
        };
        // The base time changes with a pause.
        let time = base.saturating_add(running_time);
        if self.0.as_ref().is_some_and(|(set, _)| *set == time) {
            return;
        }
        self.clear();
        let id = clock.new_single_shot_id(time);
        let weak = element.downgrade();
        let set = id.wait_async(move |_, _, _| {
            if let Some(element) = weak.upgrade() {
                let shared = &element.imp().shared;
                // Whoever is about to wait has looked at the clock already: let it wait first.
                drop(shared.lock());
                shared.notify();
            }
        });
        if set.is_ok() {
            self.0 = Some((time, id));
        }
    }

    fn clear(&mut self) {
        if let Some((_, id)) = self.0.take() {
            id.unschedule();
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clear();
    }
}
