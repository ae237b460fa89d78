//! Optical flow and image propagation, which always use 32 bits.

use super::{Machine, Sizes};
use crate::{
    kernels::correlation::CorrelationForm, memory::planning::Plan, networks::stored::Placement,
};

/// RAFT pads smaller sides to this many pixels.
const SMALLEST: u64 = 128;

impl Sizes {
    /// Returns the number of pixels that RAFT computes on.
    fn raft_px(&self) -> u64 {
        self.width.max(SMALLEST) * self.height.max(SMALLEST)
    }

    /// Returns the bytes of a frame's features: 512 channels at 1/8.
    pub fn raft_features(&self) -> u64 {
        512 * 4 * self.raft_px() / 64
    }

    pub fn flow(&self, first: bool, plan: &Plan) -> u64 {
        let px = self.raft_px();
        // The frame and its context, and three of a block's tensors of 64 channels at 1/2.
        let encoder = 12 * px + 256 * 4 * px / 64 + 3 * 64 * 4 * px / 4;
        if first {
            return encoder;
        }
        let pairs = plan.pairs as u64;
        let positions = px / 64;
        let level = |i: u32| positions >> (2 * i);
        let levels: u64 = (0..4).map(level).sum();
        let correlation = match plan.correlation {
            CorrelationForm::Volume => 4 * positions * levels,
            CorrelationForm::Features => 256 * 4 * (positions + levels),
        };
        // The gates of both passes, the hidden state, flow and grid, and at the end the mask's
        // logits three times: as computed, by columns, and as weights.
        let refinement = (2 * 384 + 128 + 2 + 3 * 576) * 4 * px / 64 + px / 8;
        let lookup = match self.machine {
            Machine::Cpu { .. } => 0,
            // The samples of all levels, before and after they are joined.
            Machine::Gpu => 2 * 324 * 4 * px / 64,
        };
        let flows = 2 * 8 * self.px;
        let pair = pairs * (correlation + refinement + lookup) + flows;
        encoder.max(pair + self.raft_features())
    }

    pub fn propagation(&self, run: u64, keep: u64, plan: &Plan) -> u64 {
        let px = self.px;
        // The pixels and the mask of each frame wait between the passes.
        let waiting = match plan.features {
            Placement::Host if self.machine == Machine::Gpu => 0,
            _ => run * 16 * px,
        };
        let filled = match self.machine {
            Machine::Gpu => 0,
            Machine::Cpu { .. } => keep * 4 * px,
        };
        // One step: pixels and state twice, the propagated tensors, masks and the consistency
        // check.
        let step = 84 * px;
        waiting + filled + step
    }
}
