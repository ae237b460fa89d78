//! When a frame is due.

use gst::{ClockTime, prelude::*};

/// When a frame has to go out, done or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// At once: downstream has no use for the frame.
    Unwanted,
    /// After this running time.
    At(ClockTime),
}

impl Deadline {
    /// Returns the deadline of a frame of this running time; `None` if it waits until it is done.
    /// Downstream has no use for frames before `earliest`; `due` is the running time at which the
    /// frame's stay ends, if the clock limits it.
    pub fn of_frame(
        running_time: ClockTime,
        earliest: Option<ClockTime>,
        due: Option<ClockTime>,
    ) -> Option<Self> {
        match earliest.is_some_and(|earliest| running_time < earliest) {
            true => Some(Self::Unwanted),
            false => due.map(Self::At),
        }
    }

    /// Returns the running time of the deadline, which is 0 for a frame that is due at once.
    pub fn time(self) -> ClockTime {
        match self {
            Self::Unwanted => ClockTime::ZERO,
            Self::At(time) => time,
        }
    }

    /// Returns whether the deadline has passed by the pipeline's clock.
    pub fn has_passed(self, element: &gst::Element) -> bool {
        match self {
            Self::Unwanted => true,
            Self::At(time) => is_past(element, time),
        }
    }
}

/// Returns whether a running time has passed by the pipeline's clock.
pub fn is_past(element: &gst::Element, running_time: ClockTime) -> bool {
    let now = element.current_running_time();
    now.is_some_and(|now| now > running_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_downstream_has_no_use_for_is_due_at_once() {
        let [early, late] = [10, 20].map(ClockTime::from_mseconds);
        let due = Some(Deadline::At(late));
        assert_eq!(
            Deadline::of_frame(early, Some(late), Some(late)),
            Some(Deadline::Unwanted)
        );
        assert_eq!(Deadline::of_frame(late, Some(late), Some(late)), due);
        assert_eq!(Deadline::of_frame(early, None, Some(late)), due);
        assert_eq!(Deadline::of_frame(early, None, None), None);
    }
}
