//! Flow completion of one direction.

use super::{Machine, Sizes};
use crate::{memory::planning::Plan, networks::stored::Placement};

/// Frames of context that a part of the encoder passes on, and that both ends are padded with.
const CARRY: u64 = 4;
const END: u64 = 2;

impl Sizes {
    pub fn completion(&self, run: u64, keep: u64, plan: &Plan) -> u64 {
        let (px, n, w) = (self.px, self.n, self.w);
        // Numbers of a frame at 1/2 with 32 channels, at 1/4 with 64, at 1/8 with 128.
        let half = 32 * px / 4;
        let [fine, coarse] = [64 * px / 16, 128 * px / 64];
        let on_device = self.machine != Machine::Gpu || plan.features == Placement::Device;
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
            n * joined + w * joined + self.op(out * half)
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
        // Decoding the first flows at full size with 32 channels, while all others wait with two
        // coarse states each, and the last two states.
        let decode = self.op(at_once * (32 * px + half))
            + n * 2 * coarse
            + kept(run - at_once, 2 * (run - at_once));
        // Aligning a state while all features wait.
        let propagate = kept(run, 2 * run) + self.deform(256, px / 64);
        // Known flows and masks before and after the cast.
        let input = 2 * at_once * 12 * px;
        // Completed flows replace features, where those are on the device.
        let results = match (self.machine, plan.flows) {
            (Machine::Gpu, Placement::Host) => 0,
            _ if on_device => keep.min(1) * 8 * px,
            _ => keep * 8 * px,
        };
        let moments = [encode_last, encode_before, propagate, decode, input];
        moments.into_iter().max().unwrap_or(0) + results
    }
}
