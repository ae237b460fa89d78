//! Flow completion of one direction.

use super::{Machine, Sizes};
use crate::{memory::budget::Plan, networks::stored::Placement};

/// Frames of context that a part of the encoder passes on, and that both ends are padded with.
const CARRY: u64 = 4;
const END: u64 = 2;

impl Sizes {
    /// Returns the numbers of a frame: of 32 bits in one channel at full size, and in its layers at 1/2
    /// with 32 channels, at 1/4 with 64 and at 1/8 with 128.
    fn completion_planes(&self) -> [u64; 4] {
        let layer = |channels: u64, scale: u64| channels * self.layer(scale);
        [self.plane(1, 4), layer(32, 2), layer(64, 4), layer(128, 8)]
    }

    /// Returns the bytes of the largest allocation of completing `run` flows.
    pub fn largest_of_completion(&self, run: u64, plan: &Plan) -> u64 {
        let [_, half, ..] = self.completion_planes();
        let at_once = (plan.completion_frames as u64).min(run);
        // The parts joined with their context; a layer of the decoder at full size.
        let joined = (at_once + CARRY + 2 * END) * half;
        let decoded = at_once * 32 * self.layer(1);
        self.n * joined.max(decoded)
    }

    pub fn completion(&self, run: u64, keep: u64, plan: &Plan) -> u64 {
        let (n, w) = (self.n, self.w);
        let [px, half, fine, coarse] = self.completion_planes();
        let on_device = !self.machine.is_gpu() || plan.features == Placement::Device;
        let kept = |fines: u64, coarses: u64| {
            if on_device {
                n * (fines * fine + coarses * coarse)
            } else {
                0
            }
        };
        let at_once = (plan.completion_frames as u64).min(run);
        let rest = (run - 1) % at_once + 1;
        // The convolution in time of the first part takes the most memory when the last frames
        // arrive: the parts joined, the same in pixel order, the result, and the context that the
        // other parts pass on.
        let carried = |seen: u64| {
            let frames = |lag: u64| match seen.saturating_sub(lag) {
                0 => 0,
                seen => CARRY.min(END + seen),
            };
            n * ((frames(END) + frames(2 * END)) * fine + frames(3 * END) * coarse)
        };
        let in_time = |frames: u64, out: u64| {
            let joined = frames * half;
            match self.machine {
                Machine::Cpu { .. } => n * joined + w * joined + self.op(out * half),
                // The parts beside the parts joined; the result takes less.
                Machine::Gpu(_) => 2 * n * joined,
            }
        };
        let encode_last = if run > at_once {
            let frames = CARRY + rest + END;
            in_time(frames, frames - CARRY)
                + carried(run - rest)
                + kept(
                    run.saturating_sub(rest + CARRY),
                    run.saturating_sub(rest + 2 * CARRY),
                )
        } else {
            in_time(run + 2 * END, run)
        };
        let encode_before = if run > at_once {
            let frames = CARRY + at_once;
            let done = run - rest - at_once;
            in_time(frames, at_once)
                + n * CARRY * half
                + carried(done)
                + kept(done.saturating_sub(CARRY), done.saturating_sub(2 * CARRY))
        } else {
            0
        };
        // On a GPU the features of a part of the video are freed with its last frame.
        let shared = if self.machine.is_gpu() { at_once } else { 0 };
        let directions = if plan.both_directions() { 2 } else { 1 };
        // Decoding the first flows of a direction at full size with 32 channels, while all others wait
        // with two coarse states each, and the last two states.
        let decode = self.op(at_once * (32 * self.layer(1) + half))
            + directions
                * (n * 2 * coarse + kept(run - at_once + shared, 2 * (run - at_once) + shared));
        // Aligning a state while all features wait.
        let propagate = directions * (kept(run, 2 * run) + self.deform(256, 8));
        // Known flows and masks before and after the cast.
        let input = 2 * at_once * 12 * px;
        // Completed flows replace features, where those are on the device.
        let results = match (self.machine, plan.flows) {
            (Machine::Gpu(_), Placement::Host) => 0,
            _ if on_device => keep.min(1) * 8 * px,
            _ => keep * 8 * px,
        };
        // One direction after the other is encoded.
        let others = (directions - 1) * kept(run, run);
        let encode = others + encode_last.max(encode_before).max(input);
        encode.max(propagate).max(decode) + directions * results
    }
}
