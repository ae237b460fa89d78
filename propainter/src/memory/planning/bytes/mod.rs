//! The byte model: what each stage takes at most, as a function of sizes and the plan.
//!
//! Written tensor by tensor beside the code it describes; a test holds it against counted
//! allocations. Sums name what lies in memory at one moment; a stage takes the largest of its
//! snapshots. `px` is a picture's pixels; `n` the bytes of a stored number of completion and
//! generator, `w` those it is computed in.

mod completion;
mod generator;
mod raft;

use std::{collections::HashMap, sync::Arc};

use gemm_common::cache::CACHE_INFO;

use super::Plan;
use crate::{
    DType,
    memory::{Outside, Stage},
    networks::stored::Placement,
    schedule::{
        WindowParams,
        simulate::{Counts, Snapshot, TaskKind, simulate},
    },
};

/// Where tensors live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// The CPU device; its memory is the host's.
    Cpu {
        /// Threads of the pool that computes.
        threads: u64,
        /// Bytes of the L2 cache of a processor.
        l2: u64,
    },
    /// A CUDA device, with the library's kernels and ours.
    Gpu,
}

impl Machine {
    /// Returns the CPU device of this machine. The size of the cache is the one that the tensor
    /// library's matrix product goes by, right or wrong.
    pub fn this_cpu() -> Self {
        Self::Cpu {
            threads: rayon::current_num_threads() as u64,
            l2: CACHE_INFO[1].cache_bytes as u64,
        }
    }
}

/// Everything the model depends on but the plan.
#[derive(Clone, Debug)]
pub struct Scene {
    pub machine: Machine,
    /// Processing size, multiples of 8.
    pub width: u64,
    pub height: u64,
    /// Of a hundred windows of the attention, how many see a hole; 100 where it is not known.
    pub masked: u64,
    /// Bytes that each held frame takes at the size it was pushed: its mask, and its picture
    /// where it is computed at another size.
    pub source: u64,
    /// What of the host's memory is held elsewhere.
    pub outside: Outside,
    snapshots: Arc<[Snapshot]>,
}

/// Bytes at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// On the device while the checkpoints are read.
    pub loading: u64,
    /// On the device in each stage, in the order of [`Stage::ALL`].
    pub stages: [u64; Stage::ALL.len()],
    /// On the host of what is held; on the CPU device part of the above.
    pub host: u64,
}

impl Needs {
    pub fn device(&self) -> u64 {
        self.stages.into_iter().fold(self.loading, u64::max)
    }

    /// Whether these take no more than `others` in any stage and on the host.
    pub fn within(&self, others: &Self) -> bool {
        let mut stages = self.stages.iter().zip(&others.stages);
        stages.all(|(own, other)| own <= other) && self.host <= others.host
    }
}

/// What the sums are made of.
struct Sizes {
    machine: Machine,
    width: u64,
    height: u64,
    px: u64,
    masked: u64,
    source: u64,
    n: u64,
    w: u64,
}

impl Scene {
    /// A stream of `length` frames, or of any length, all with holes.
    pub fn new(
        machine: Machine,
        [width, height]: [usize; 2],
        windows: WindowParams,
        length: Option<usize>,
    ) -> Self {
        Self {
            machine,
            width: width as u64,
            height: height as u64,
            masked: 100,
            source: (width * height) as u64,
            outside: Outside::default(),
            snapshots: simulate(windows, length).into(),
        }
    }

    /// What the stream needs under `plan` with these numbers.
    pub fn needs(&self, plan: &Plan, numbers: DType) -> Needs {
        let sizes = self.sizes(numbers);
        let fixed = sizes.fixed();
        let mut needs = Needs {
            loading: sizes.loading(),
            ..Needs::default()
        };
        // Many snapshots do the same with other things held.
        let mut works = HashMap::new();
        for moment in self.snapshots.iter() {
            let (device, host) = sizes.held(&moment.held, plan);
            let stage = &mut needs.stages[stage(moment.kind) as usize];
            let work = works.entry(moment.kind);
            let working = device + *work.or_insert_with(|| sizes.work(moment.kind, plan));
            *stage = (*stage).max(fixed + sizes.rounded(working));
            let outside = self.outside.always + moment.held.frames as u64 * self.outside.frame;
            needs.host = needs.host.max(host + outside);
        }
        needs
    }

    /// What encoding a frame for the generator takes, and decoding one, beside what is held.
    pub fn encoding(&self, plan: &Plan, numbers: DType) -> u64 {
        self.sizes(numbers).encoding(plan)
    }

    /// As [`Scene::encoding`].
    pub fn decoding(&self, plan: &Plan, numbers: DType) -> u64 {
        self.sizes(numbers).decoding(plan)
    }

    fn sizes(&self, numbers: DType) -> Sizes {
        let n = numbers.bytes() as u64;
        Sizes {
            machine: self.machine,
            width: self.width,
            height: self.height,
            px: self.width * self.height,
            masked: self.masked,
            source: self.source,
            n,
            w: match self.machine {
                Machine::Cpu { .. } => 4,
                Machine::Gpu => n,
            },
        }
    }
}

fn stage(doing: TaskKind) -> Stage {
    match doing {
        TaskKind::Flow { .. } => Stage::Flow,
        TaskKind::Completion { .. } => Stage::Completion,
        TaskKind::Propagation { .. } | TaskKind::Guides { .. } => Stage::Propagation,
        TaskKind::Encoding | TaskKind::Tokens => Stage::Encoder,
        TaskKind::Window { .. } => Stage::Generator,
    }
}

impl Sizes {
    /// Weights, the context, and working memory that threads keep.
    fn fixed(&self) -> u64 {
        match self.machine {
            // Weights as packed for the CPU's kernels, always 32 bits; the kernels' working memory
            // in each thread of the pool; and a buffer as large as the L2 cache that the library's
            // matrix product keeps in each of them and in the thread that calls.
            Machine::Cpu { threads, l2 } => 385_450_000 + threads * 3_950_000 + (threads + 1) * l2,
            // RAFT in 32 bits, the others as stored; the driver's context and the library's
            // kernels, not measured.
            Machine::Gpu => 5_300_000 * 4 + 44_500_000 * self.n + (600 << 20),
        }
    }

    /// With what the sums leave out.
    fn rounded(&self, working: u64) -> u64 {
        match self.machine {
            // Lists, queues of tasks, an allocator's rounding.
            Machine::Cpu { .. } => working + working / 25,
            // Copies into the order that a convolution of the library wants, activations of
            // their own, and the rounding of its pools; not measured.
            Machine::Gpu => working + working / 3,
        }
    }

    /// While the checkpoints are read: the last ones in 32 bits beside all weights.
    fn loading(&self) -> u64 {
        match self.machine {
            Machine::Cpu { .. } => self.fixed() + 68_000_000,
            Machine::Gpu => self.fixed(),
        }
    }

    /// What is held, on the device and on the host.
    fn held(&self, held: &Counts, plan: &Plan) -> (u64, u64) {
        let px = self.px;
        let count = |things: usize, bytes: u64| things as u64 * bytes;
        let host = count(held.frames, 4 * px + self.source) // RGB and hole
            + count(held.blended, 3 * px)
            + count(held.filled, 4 * px)
            // Holes of frames that are not held any more.
            + count(held.filled.saturating_sub(held.frames), px);
        let newest = self.raft_features();
        let flows = count(held.raw + held.half, 8 * px)
            + count(held.flows, 16 * px)
            + count(held.guides, px);
        let features = count(held.features, self.features()) + count(held.tokens, self.tokens());
        if self.machine != Machine::Gpu {
            let all = host + newest + flows + features;
            return (all, host + flows + features);
        }
        let on = |place: Placement, bytes: u64| {
            if place == Placement::Device {
                (bytes, 0)
            } else {
                (0, bytes)
            }
        };
        let (flows, features) = (on(plan.flows, flows), on(plan.features, features));
        (newest + flows.0 + features.0, host + flows.1 + features.1)
    }

    /// What a task takes besides.
    fn work(&self, doing: TaskKind, plan: &Plan) -> u64 {
        match doing {
            TaskKind::Flow { first } => self.flow(first, plan),
            TaskKind::Completion { run, keep } => self.completion(run as u64, keep as u64, plan),
            TaskKind::Propagation { run, keep } => self.propagation(run as u64, keep as u64, plan),
            TaskKind::Guides { flows, keep } => {
                // The frames propagated before, a slice of a flow, its sum and the results.
                keep as u64 * 4 * self.px + flows as u64 * self.px + 2 * self.px
            }
            TaskKind::Encoding => self.encoding(plan),
            TaskKind::Tokens => self.tokenising(),
            TaskKind::Window { locals, references } => {
                self.window(locals as u64, references as u64, plan)
            }
        }
    }

    /// A frame's features for the generator, 128 channels at 1/4.
    fn features(&self) -> u64 {
        128 * self.n * self.px / 16
    }

    /// Tokens of a frame.
    fn grid(&self) -> u64 {
        let [rows, columns] = self.token_grid();
        rows * columns
    }

    /// Rows and columns of tokens.
    fn token_grid(&self) -> [u64; 2] {
        [self.height, self.width].map(|side| (side / 4 - 1) / 3 + 1)
    }

    /// A frame as tokens, 512 channels.
    fn tokens(&self) -> u64 {
        512 * self.n * self.grid()
    }

    /// An operation on so many stored numbers: themselves, and as they are computed with.
    fn op(&self, numbers: u64) -> u64 {
        let wide = if self.n == self.w { 0 } else { self.w };
        (self.n + wide) * numbers
    }

    /// The same in 32 bits on every device.
    fn wide_op(&self, numbers: u64) -> u64 {
        let wide = if self.n == 4 { 0 } else { 4 };
        (self.n + wide) * numbers
    }

    /// A deformable convolution of `channels` to 128 over so many pixels, from 432 channels that
    /// say where and how strongly to sample; its input is held, too.
    fn deform(&self, channels: u64, pixels: u64) -> u64 {
        let raw = 432 * pixels;
        let aligned = 128 * self.n * pixels;
        match self.machine {
            Machine::Cpu { .. } => self.op(raw) + self.op((channels + 128) * pixels) + aligned,
            Machine::Gpu => self.wide_op(raw) + (channels + 128) * self.n * pixels,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: WindowParams = WindowParams {
        subvideo_length: 12,
        neighbor_length: 6,
        ref_stride: 4,
        lookahead: None,
    };

    fn needs(threads: u64, l2: u64) -> Needs {
        let machine = Machine::Cpu { threads, l2 };
        Scene::new(machine, [64, 48], CUT, Some(6)).needs(&Plan::LARGEST, DType::F32)
    }

    #[test]
    fn every_thread_and_the_caller_keep_a_buffer_of_the_size_of_the_cache() {
        for threads in [1, 2, 7, 64] {
            let without = needs(threads, 0);
            // Of processors in use: 256 KiB to 2 MiB, also shared unevenly, and more than is had.
            for kib in [256, 512, 1024, 1280, 2048, 3072, 1365, 16 << 10] {
                let with = needs(threads, kib << 10);
                let buffers = (threads + 1) * (kib << 10);
                assert_eq!(with.loading - without.loading, buffers, "{threads} {kib}");
                for (with, without) in with.stages.iter().zip(without.stages) {
                    assert_eq!(with - without, buffers, "{threads} {kib}");
                }
                assert_eq!(with.host, without.host);
            }
        }
    }

    #[test]
    fn this_machine_has_a_cache_and_threads() {
        let Machine::Cpu { threads, l2 } = Machine::this_cpu() else {
            panic!("a processor");
        };
        assert_eq!(threads, rayon::current_num_threads() as u64);
        assert!((64 << 10..=64 << 20).contains(&l2), "{l2} bytes");
    }
}
