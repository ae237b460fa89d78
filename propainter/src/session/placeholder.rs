//! The engine that stands in while another one is built.

use crate::{Cancel, Error, Frame, InpaintedFrame, Mask, engine::Engine, memory::Usage};

/// Holds the place of an engine that was dropped until the next one is built. Refuses all frames.
#[derive(Clone, Copy)]
pub struct PlaceholderEngine {
    pub usage: Usage,
    pub latency_frames: usize,
}

impl Engine for PlaceholderEngine {
    fn push(&mut self, _: Frame, _: Mask, cancel: &Cancel) -> Result<Vec<InpaintedFrame>, Error> {
        self.drain(cancel)
    }

    fn drain(&mut self, _: &Cancel) -> Result<Vec<InpaintedFrame>, Error> {
        Err(Error::Compute {
            stage: "the engine",
            problem: "it could not be rebuilt".to_owned(),
        })
    }

    fn flush(&mut self) {}

    fn latency_frames(&self) -> usize {
        self.latency_frames
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}
