//! What a session drives and the two engines are.

use crate::{
    Cancel, Done, Error, Frame, Mask,
    memory::{Notice, Usage},
};

/// Frames at processing size in, final frames out, one for one and in order. `hole` is
/// already dilated. After an error the engine waits for a flush.
pub(crate) trait Engine: Send {
    fn push(&mut self, frame: Frame, hole: Mask, cancel: &Cancel) -> Result<Vec<Done>, Error>;
    /// Some of the frames that are held become final, if there are any, or all.
    fn drain(&mut self, cancel: &Cancel) -> Result<Vec<Done>, Error>;
    fn flush(&mut self);
    fn latency_frames(&self) -> usize;

    /// Sees to it, before a frame is pushed, that one with such a hole fits the budget.
    ///
    /// # Errors
    /// [`Error::Budget`] leaves the engine as it was.
    fn admit(&mut self, _hole: &Mask) -> Result<(), Error> {
        Ok(())
    }

    /// Makes frames wait for no more than `frames` later ones from now on, and returns what became
    /// final by that; an engine of the networks is built anew instead.
    fn limit_latency(&mut self, _frames: usize, _cancel: &Cancel) -> Result<Vec<Done>, Error> {
        Ok(Vec::new())
    }
    /// The memory plan, in one line; `None` where there is nothing to plan.
    fn plan(&self) -> Option<String> {
        None
    }
    fn usage(&self) -> Usage {
        Usage::default()
    }
    /// Windows since the last trouble with memory.
    fn quiet_windows(&self) -> u32 {
        0
    }
    fn notices(&mut self) -> Vec<Notice> {
        Vec::new()
    }
}
