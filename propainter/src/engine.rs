//! What a session drives and the two engines are.

use crate::{
    Cancel, Done, Error, Frame, Mask,
    memory::{Notice, Usage},
};

/// Frames at processing size in, final frames out, one for one and in order. `hole` is
/// already dilated. After an error the engine waits for a flush.
pub(crate) trait Engine: Send {
    fn push(&mut self, frame: Frame, hole: Mask, cancel: &Cancel) -> Result<Vec<Done>, Error>;
    fn drain(&mut self, cancel: &Cancel) -> Result<Vec<Done>, Error>;
    fn flush(&mut self);
    fn look_ahead(&self) -> usize;

    /// Makes frames wait for no more than `frames` later ones from now on, and returns what became
    /// final by that. `None` where another engine has to be built for it.
    fn limit_look_ahead(
        &mut self,
        _frames: usize,
        _cancel: &Cancel,
    ) -> Result<Option<Vec<Done>>, Error> {
        Ok(None)
    }

    /// The memory plan, in one line; `None` where there is nothing to plan.
    fn plan(&self) -> Option<String> {
        None
    }
    fn usage(&self) -> Usage {
        Usage::default()
    }
    /// Windows since the last trouble with memory.
    fn calm(&self) -> u32 {
        0
    }
    fn notices(&mut self) -> Vec<Notice> {
        Vec::new()
    }
}
