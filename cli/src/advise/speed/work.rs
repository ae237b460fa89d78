//! The work of the networks on a clip: floating-point operations, and bytes of memory traffic.
//!
//! The operations follow the shapes of the layers; a test compares them with the count of the
//! networks themselves. The bytes are those of the tensors that the kernels read and write, a rough
//! sum: on no known card do they decide at full speed.

use propainter::internals::schedule::{Schedule, Task, WindowParams};

/// Operations of optical flow for a pixel of a frame: features, context, and 20 iterations both
/// ways, without the correlation of all pairs.
const FLOW: f64 = 3.06e6;
/// Operations of flow completion for a pixel of a flow, both ways: where nothing is to be filled, and
/// what a hole adds.
const COMPLETION: (f64, f64) = (3.34e5, 4.4e4);
/// Operations of the encoder for a pixel of a frame, with the tokens of references.
const ENCODER: f64 = 5.5e5;
/// Operations of a local frame of a window for a pixel: features along the flows both ways, and their
/// tokens.
const LOCAL: f64 = 4.94e5;
/// Operations from tokens to a frame, for a pixel that is asked for.
const DECODER: f64 = 2.51e5;
/// Pixels around a hole that are computed with it, on both sides together.
const AROUND: f64 = 40.0;
/// Operations of a token in a block of the transformer, without attention, and the share of them that
/// is left out in windows with a hole.
const TOKEN: (f64, f64) = (6.11e6, 0.086);
/// Blocks of the transformer. The last one computes only what is read.
const BLOCKS: f64 = 8.0;
/// Channels of a token.
const CHANNELS: f64 = 512.0;
/// Pixels of a token.
const TOKEN_PIXELS: f64 = 144.0;
/// Tokens of a window of the attention, and those around it that it attends to.
const WINDOW: (f64, f64) = (45.0, 148.0);
/// Pixels of a window, across and down.
const WINDOW_SIZE: (f64, f64) = (108.0, 60.0);

/// Bytes that are read and written for a pixel of a frame, by stage, as [`Work`] has them.
const BYTES: [f64; 4] = [22e3, 2e3, 2e3, 8e3];

/// The frames of the longest clip that is counted window by window; a longer one is like it.
const COUNTED: usize = 2000;

/// The work of each stage: optical flow, flow completion, the encoder, the generator.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Floating-point operations.
    pub operations: [f64; 4],
    /// Bytes read and written.
    pub bytes: [f64; 4],
}

impl Work {
    /// Returns the work for `frames` frames that are processed at this size, (width, height), in
    /// these windows. `share` is the hole's share of the frame, 0 to 1.
    pub fn of(size: (usize, usize), windows: WindowParams, frames: usize, share: f64) -> Self {
        let counted = frames.min(COUNTED.max(3 * windows.subvideo_length));
        let pixels = (size.0 * size.1) as f64;
        let positions = pixels / 64.0;
        // All pairs of positions, at 256 channels and four scales, both ways.
        let correlation = 2.0 * 2.0 * 256.0 * positions * positions * 1.33;
        let (mut flows, mut generator) = (0.0, 0.0);
        for task in tasks(windows, counted) {
            match task {
                Task::Complete { run, .. } => flows += run.len() as f64,
                Task::Propagate { .. } => {}
                Task::Generate(window) => {
                    let locals = window.neighbours.len() as f64;
                    let references = window.references.len() as f64;
                    generator += window_operations(size, locals, references, share);
                }
            }
        }
        let n = counted as f64;
        let of_counted = [
            n * (FLOW * pixels + correlation),
            flows * (COMPLETION.0 + COMPLETION.1 * share) * pixels,
            n * ENCODER * pixels,
            generator,
        ];
        let scale = frames as f64 / n.max(1.0);
        Self {
            operations: of_counted.map(|operations| scale * operations),
            bytes: BYTES.map(|bytes| bytes * pixels * frames as f64),
        }
    }

    /// Returns all operations.
    pub fn total(&self) -> f64 {
        self.operations.iter().sum()
    }

    /// Returns the sum of both.
    pub fn and(self, other: Self) -> Self {
        let sum = |a: [f64; 4], b: [f64; 4]| std::array::from_fn(|i| a[i] + b[i]);
        Self {
            operations: sum(self.operations, other.operations),
            bytes: sum(self.bytes, other.bytes),
        }
    }
}

/// Returns the tasks of a clip of `frames` frames.
fn tasks(windows: WindowParams, frames: usize) -> Vec<Task> {
    let mut schedule = Schedule::new(windows);
    let mut tasks = Vec::new();
    for _ in 0..frames {
        schedule.push();
        tasks.extend(std::iter::from_fn(|| schedule.next_task()));
    }
    schedule.end();
    tasks.extend(std::iter::from_fn(|| schedule.next_task()));
    tasks
}

/// Returns the operations of a window of the generator.
fn window_operations(size: (usize, usize), locals: f64, references: f64, share: f64) -> f64 {
    let (width, height) = (size.0 as f64, size.1 as f64);
    let (pixels, frames) = (width * height, locals + references);
    let tokens = pixels / TOKEN_PIXELS;
    let side = share.sqrt();
    let grown = |length: f64| (side * length + AROUND).min(length);
    let asked = grown(width) * grown(height) / pixels;
    // A window with a hole attends to those around it in every second frame, and to pooled tokens of
    // whole frames.
    let windows = |side: f64, window: f64| (side / window).ceil();
    let all = windows(width, WINDOW_SIZE.0) * windows(height, WINDOW_SIZE.1);
    let reached =
        |length: f64, window: f64| (grown(length) / window + 1.0).min(windows(length, window));
    let masked = reached(width, WINDOW_SIZE.0) * reached(height, WINDOW_SIZE.1);
    let keys = frames / 2.0 * (WINDOW.0 + WINDOW.1 + tokens / 16.0);
    let blocks = BLOCKS - 1.0 + asked * locals / frames;
    let attention = blocks * 4.0 * CHANNELS * masked * WINDOW.0 * frames * keys;
    let computed = (BLOCKS - 2.0) * frames + (frames + locals) / 2.0 + asked * locals;
    let layers = TOKEN.0 * (1.0 - TOKEN.1 * masked / all) * tokens * computed;
    locals * (LOCAL + DECODER * asked) * pixels + layers + attention
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFICIAL: WindowParams = WindowParams {
        subvideo_length: 80,
        neighbor_length: 10,
        ref_stride: 10,
        lookahead: None,
    };

    /// The table of BENCHMARKS.md: GFLOP a frame of 432×240 by the hole's share. Its holes lie in the
    /// middle, where more windows of the attention meet than on average.
    #[test]
    fn the_work_of_a_frame_is_that_of_the_benchmarks() {
        for (share, stages) in [
            (1.0, [321.0, 44.0, 57.0, 364.0]),
            (0.25, [321.0, 41.0, 57.0, 334.0]),
            (0.1, [321.0, 40.0, 57.0, 268.0]),
            (0.03, [321.0, 39.0, 57.0, 259.0]),
        ] {
            let work = Work::of((432, 240), OFFICIAL, 400, share);
            for (own, counted) in work.operations.iter().zip(stages) {
                let own = own / 400.0 / 1e9;
                let error = (own / counted - 1.0).abs();
                assert!(error < 0.12, "{share}: {own:.0}, counted {counted}");
            }
            let error = work.total() / 400.0 / 1e9 / stages.iter().sum::<f64>() - 1.0;
            assert!(error.abs() < 0.06, "{share}: {error}");
        }
    }

    #[test]
    fn work_grows_with_size_frames_and_holes() {
        let total = |size, frames, share| Work::of(size, OFFICIAL, frames, share).total();
        let one = total((432, 240), 100, 0.1);
        assert!(total((864, 480), 100, 0.1) > 3.9 * one);
        assert!(total((432, 240), 200, 0.1) > 1.9 * one);
        assert!(total((432, 240), 100, 0.5) > one);
        // Beyond what is counted, every frame is like those before.
        let ratio = total((432, 240), 40_000, 0.1) / total((432, 240), 4000, 0.1);
        assert!((ratio - 10.0).abs() < 0.01, "{ratio}");
        assert_eq!(total((432, 240), 0, 0.1), 0.0);
    }
}
