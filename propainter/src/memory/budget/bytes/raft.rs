//! Optical flow and image propagation, which always use 32 bits.

use super::{Machine, Sizes};
use crate::{
    kernels::correlation::CorrelationForm, memory::budget::Plan, networks::stored::Placement,
};

/// RAFT pads smaller sides to this many pixels.
const SMALLEST: u64 = 128;

impl Sizes {
    /// Returns the elements of a layer's plane at 1/`scale` of what RAFT computes on.
    fn raft_plane(&self, scale: u64) -> u64 {
        let [width, height] = [self.width, self.height].map(|side| side.max(SMALLEST));
        (width / scale) * (height / scale)
    }

    /// Returns the bytes of a frame's features: 512 channels at 1/8.
    pub fn raft_features(&self) -> u64 {
        512 * 4 * self.raft_plane(8)
    }

    /// Returns the bytes of the correlation of all positions of a pair with those of a level.
    fn correlation(&self, level: u32) -> u64 {
        let [width, height] = [self.width, self.height].map(|side| side.max(SMALLEST) / 8);
        4 * width * height * (width >> level) * (height >> level)
    }

    /// Returns the bytes of the largest allocation of the flow of a pair.
    pub fn largest_of_flow(&self, plan: &Plan) -> u64 {
        let encoder = plan.frame_pairs() as u64 * 64 * 4 * self.raft_plane(2);
        match plan.correlation {
            CorrelationForm::Volume => encoder.max(plan.pairs as u64 * self.correlation(0)),
            CorrelationForm::Features => encoder,
        }
    }

    pub fn flow(&self, first: bool, plan: &Plan) -> u64 {
        let [full, half, eighth] = [1, 2, 8].map(|scale| self.raft_plane(scale));
        // The frame and its context, and three of a block's tensors of 64 channels at 1/2.
        let frames = plan.frame_pairs() as u64;
        let encoder = frames * (12 * full + 256 * 4 * eighth + 3 * 64 * 4 * half);
        if first {
            return encoder;
        }
        let pairs = plan.pairs as u64;
        let correlation = match plan.correlation {
            CorrelationForm::Volume => (0..4).map(|level| self.correlation(level)).sum(),
            CorrelationForm::Features => {
                let levels: u64 = (0..4).map(|level| eighth >> (2 * level)).sum();
                256 * 4 * (eighth + levels)
            }
        };
        // The gates of both passes, the hidden state, flow and grid.
        let state = 2 * 384 + 128 + 4;
        let refinement = match self.machine {
            // At the end the mask's logits three times: as computed, by columns, and as weights.
            Machine::Cpu { .. } => (state - 2 + 3 * 576) * 4 * eighth + full / 8,
            // At the end the mask's logits and the layer before; an iteration takes less.
            Machine::Gpu(_) => (state + 256 + 576) * 4 * eighth,
        };
        let flows = 2 * frames * 8 * self.plane(1, 4);
        let pair = pairs * (correlation + refinement) + flows;
        encoder.max(pair) + frames * self.raft_features()
    }

    pub fn propagation(&self, run: u64, keep: u64, plan: &Plan) -> u64 {
        let px = self.plane(1, 4);
        // The pixels and the mask of each frame wait between the passes.
        let waiting = match plan.features {
            Placement::Host if self.machine.is_gpu() => 0,
            _ => run * 16 * px,
        };
        let filled = match self.machine {
            Machine::Gpu(_) => 0,
            Machine::Cpu { .. } => keep * 4 * px,
        };
        // One step: pixels and state twice, the propagated tensors, masks and the consistency
        // check.
        let step = 84 * px;
        waiting + filled + step
    }
}
