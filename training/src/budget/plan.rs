//! The choices of a plan, and the time that they cost.

use std::fmt;

use propainter::DType;

use crate::{networks::Computing, recompute::Segments};

/// How the steps of a training are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Number of clips that are computed together; a step adds up the gradients of several times as
    /// many.
    pub at_once: usize,
    /// The number type of the trained network, and the segments that the backward pass computes again.
    pub computing: Computing,
}

impl Default for Plan {
    /// One clip after the other, in 32 bits, with everything kept.
    fn default() -> Self {
        Self {
            at_once: 1,
            computing: Computing::default(),
        }
    }
}

impl Plan {
    /// Returns an estimate of the time that a step takes beyond the fastest plan, in thousandths of
    /// that. It orders plans. The shares of the segments
    /// are estimates, not measured.
    pub fn slowness(&self, batch: usize, on_gpu: bool) -> u32 {
        let Segments {
            encoder,
            propagation,
            transformer,
            decoder,
        } = self.computing.segments;
        let again = u32::from(encoder) * 60
            + u32::from(propagation) * 60
            + u32::from(transformer) * 90
            + u32::from(decoder) * 80;
        // Only the discriminator and the losses see several clips at once: of use to a GPU alone.
        let turns = (batch / self.at_once).saturating_sub(1) as u32;
        // Half the bytes are no gain on a CPU, which computes in 32 bits; and they round.
        let rounded = u32::from(self.computing.numbers != DType::F32) * 1000;
        again + rounded + if on_gpu { 2 * turns } else { 0 }
    }
}

/// Writes the plan as one line.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_once, computing } = self;
        let numbers = match computing.numbers {
            DType::F32 | DType::Tf32 => "fp32",
            DType::Bf16 => "bf16",
            DType::F16 => "fp16",
        };
        let segments = computing.segments;
        write!(
            f,
            "at-once={at_once} precision={numbers} recompute={segments}"
        )
    }
}
