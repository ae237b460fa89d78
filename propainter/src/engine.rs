//! The interface between a session and its engines.

use crate::{
    Cancel, Error, Frame, InpaintedFrame, Mask,
    effort::Deadline,
    memory::{Notice, Usage},
};

/// An engine: takes frames at processing size and returns final frames, one for each, in order.
/// Needs a flush after an error.
pub(crate) trait Engine: Send {
    /// Takes a frame and its hole, which is dilated already; returns the frames that became final.
    ///
    /// # Errors
    /// [`Error::Compute`], [`Error::OutOfMemory`] or [`Error::Cancelled`].
    fn push(
        &mut self,
        frame: Frame,
        hole: Mask,
        cancel: &Cancel,
    ) -> Result<Vec<InpaintedFrame>, Error>;

    /// Returns some of the frames held, at least one if there are any, or all of them.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    fn drain(&mut self, cancel: &Cancel) -> Result<Vec<InpaintedFrame>, Error>;

    /// Drops all frames held.
    fn flush(&mut self);

    /// Returns the number of later frames that a frame waits for at most.
    fn latency_frames(&self) -> usize;

    /// Ensures, before a frame is pushed, that one with such a hole fits the budget.
    ///
    /// # Errors
    /// [`Error::Budget`] leaves the engine as it was.
    fn admit(&mut self, _hole: &Mask) -> Result<(), Error> {
        Ok(())
    }

    /// Limits the latency to `frames` from now on, and returns the frames that became final
    /// thereby. An engine of the networks is replaced instead.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    fn limit_latency(
        &mut self,
        _frames: usize,
        _cancel: &Cancel,
    ) -> Result<Vec<InpaintedFrame>, Error> {
        Ok(Vec::new())
    }

    /// Sets when the calls to come are due; without a deadline they take as long as they take. An
    /// engine that cannot be faster ignores it.
    fn set_deadline(&mut self, _deadline: Option<Deadline>) {}

    /// Lets the next frame begin a scene, in which no earlier frame is used. Returns false if the
    /// engine has to be drained instead.
    fn begin_scene(&mut self) -> bool {
        false
    }

    /// Returns the memory plan as one line; `None` if there is nothing to plan.
    fn plan(&self) -> Option<String> {
        None
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }

    /// Returns the number of windows since memory last ran short.
    fn quiet_windows(&self) -> u32 {
        0
    }

    /// Takes the notices since the last call, oldest first.
    fn notices(&mut self) -> Vec<Notice> {
        Vec::new()
    }
}
