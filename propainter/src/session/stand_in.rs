//! What holds an engine's place.

use std::time::Duration;

use crate::{Cancel, Done, Error, Frame, Mask, engine::Engine, memory::Usage};

/// In the place of an engine while another one is built.
#[derive(Clone, Copy)]
pub struct StandIn {
    pub usage: Usage,
    pub computing: Duration,
}

impl Engine for StandIn {
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
        0
    }

    fn usage(&self) -> Usage {
        self.usage
    }

    fn computing(&self) -> Duration {
        self.computing
    }
}
