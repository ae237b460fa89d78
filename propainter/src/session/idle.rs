//! What holds an engine's place.

use crate::{Cancel, Done, Error, Frame, Mask, engine::Engine, memory::Usage};

/// In the place of an engine while another one is built.
#[derive(Clone, Copy)]
pub struct Idle {
    pub usage: Usage,
    pub look_ahead: usize,
}

impl Engine for Idle {
    fn push(&mut self, _: Frame, _: Mask, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        self.drain(cancel)
    }

    fn drain(&mut self, _: &Cancel) -> Result<Vec<Done>, Error> {
        Err(Error::Compute {
            stage: "the engine",
            problem: "it could not be built again".to_owned(),
        })
    }

    fn flush(&mut self) {}

    fn look_ahead(&self) -> usize {
        self.look_ahead
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}
