//! The byte model: the most memory that each stage takes, as a function of sizes and the plan.
//!
//! It is written tensor by tensor beside the code it describes; a test compares it with counted
//! allocations. Each sum lists the tensors that are in memory at one moment; a stage takes the
//! largest of its moments. `px` is the number of pixels of a frame, `n` the bytes of a stored
//! number of completion and generator, and `w` the bytes of a number in their computations.

mod completion;
mod generator;
mod machine;
mod needs;
mod pages;
mod raft;
mod sizes;

use std::{collections::HashMap, sync::Arc};

use self::sizes::Sizes;
pub use self::{
    machine::{Gpu, Machine},
    needs::Needs,
    pages::Pages,
};
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

/// The inputs of the model other than the plan.
#[derive(Clone, Debug)]
pub struct ByteModel {
    pub machine: Machine,
    /// Processing width in pixels, a multiple of 8.
    pub width: u64,
    pub height: u64,
    /// Attention windows that see a hole, in percent; 100 where this is not known.
    pub masked: u64,
    /// Bytes that each held frame takes at the size it was pushed: its mask, and its pixels where
    /// it is processed at another size.
    pub source: u64,
    /// Bytes of the host's budget that are held outside the session.
    pub outside: Outside,
    snapshots: Arc<[Snapshot]>,
}

/// Bytes that reading the weights takes on a GPU beside them.
const LOADING: u64 = 90_000_000;

/// Bytes of the pages of allocations up to 64 KiB.
const SMALL_PAGES: u64 = 16 << 20;

impl ByteModel {
    /// Creates the scene of a stream of `length` frames, or of unknown length, all with holes.
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

    /// Returns the needs of the stream under `plan` with these numbers.
    pub fn needs(&self, plan: &Plan, numbers: DType) -> Needs {
        let sizes = self.sizes(numbers);
        let fixed = sizes.fixed();
        let mut needs = Needs {
            loading: sizes.loading(),
            ..Needs::default()
        };
        // Many snapshots run the same task with other items held.
        let mut works = HashMap::new();
        let mut most = 0;
        for moment in self.snapshots.iter() {
            let (device, host) = sizes.held(&moment.held, plan);
            let stage = &mut needs.stages[stage(moment.kind) as usize];
            let work = works.entry(moment.kind);
            let working = device + *work.or_insert_with(|| sizes.work(moment.kind, plan));
            let working = sizes.rounded(moment.kind, working);
            most = most.max(working);
            *stage = (*stage).max(fixed + working);
            let frames = moment.held.frames as u64;
            let outside = self.outside.always + frames * self.outside.frame;
            needs.host = needs.host.max(host + outside);
            if self.machine.is_gpu() {
                let outside = self.outside.device_always
                    + frames * self.outside.device_frame
                    + moment.held.sources as u64 * self.outside.device_copy;
                needs.outside = needs.outside.max(outside);
                let largest = sizes.largest(moment.kind, plan);
                needs.largest = needs.largest.max(largest);
            }
        }
        if let Machine::Gpu(gpu) = self.machine {
            needs.pages = Pages::of(most, needs.largest, gpu);
            needs.reserved = fixed + needs.pages.all();
        }
        needs
    }

    /// Returns the bytes that encoding a frame for the generator takes beside the items held.
    pub fn encoding(&self, plan: &Plan, numbers: DType) -> u64 {
        self.sizes(numbers).encoding(plan)
    }

    /// Returns the bytes that decoding a frame takes beside the items held.
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
                Machine::Gpu(_) => n,
            },
        }
    }
}

fn stage(doing: TaskKind) -> Stage {
    match doing {
        TaskKind::Flow { .. } => Stage::Flow,
        TaskKind::Completion { .. } => Stage::Completion,
        TaskKind::Propagation { .. } | TaskKind::QuarterFlows { .. } => Stage::Propagation,
        TaskKind::Encoding | TaskKind::Tokens => Stage::Encoder,
        TaskKind::Window { .. } => Stage::Generator,
    }
}

impl Sizes {
    /// Returns the bytes of the weights, the context, and the working memory that threads keep.
    fn fixed(&self) -> u64 {
        match self.machine {
            // The weights as packed for the CPU's kernels, always 32 bits; the kernels' working
            // memory in each thread of the pool; and a buffer of the size of the L2 cache that the
            // library's matrix product keeps in each of them and in the calling thread.
            Machine::Cpu { threads, l2 } => 385_450_000 + threads * 3_950_000 + (threads + 1) * l2,
            // RAFT in 32 bits and the others as stored; the driver's context.
            Machine::Gpu(gpu) => 5_300_000 * 4 + 44_500_000 * self.n + gpu.context + SMALL_PAGES,
        }
    }

    /// Returns the bytes with an allowance for everything that the sums leave out.
    fn rounded(&self, doing: TaskKind, working: u64) -> u64 {
        match (self.machine, doing) {
            // Lists, queues of tasks, an allocator's rounding.
            (Machine::Cpu { .. }, _) => working + working / 25,
            // What lies free between the allocations of a page: up to 27 % in windows, 23 % elsewhere.
            (Machine::Gpu(_), TaskKind::Window { .. }) => working + working * 2 / 5,
            (Machine::Gpu(_), _) => working + working / 4,
        }
    }

    /// Returns the bytes while the checkpoints are read: all weights, and the last ones also in 32
    /// bits.
    fn loading(&self) -> u64 {
        match self.machine {
            Machine::Cpu { .. } => self.fixed() + 68_000_000,
            // The largest weights as read and as stored.
            Machine::Gpu(_) => self.fixed() + LOADING,
        }
    }

    /// Returns the bytes held, on the device and on the host.
    fn held(&self, held: &Counts, plan: &Plan) -> (u64, u64) {
        let px = self.px;
        let [full, quarter] = [1, 4].map(|scale| self.plane(scale, 4));
        let count = |things: usize, bytes: u64| things as u64 * bytes;
        let host = count(held.frames, 4 * px + self.source) // RGB and hole
            + count(held.blended, 3 * px)
            + count(held.propagated, 4 * px)
            // The holes of frames that are no longer held.
            + count(held.propagated.saturating_sub(held.frames), px);
        let newest = self.raft_features();
        let flows = count(held.raw_flows + held.half, 8 * full)
            + count(held.flows, 16 * full)
            + count(held.quarter_flows, 16 * quarter);
        let features = count(held.features, self.features()) + count(held.tokens, self.tokens());
        if !self.machine.is_gpu() {
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

    /// Returns the bytes that a task takes beside the items held.
    fn work(&self, doing: TaskKind, plan: &Plan) -> u64 {
        match doing {
            TaskKind::Flow { first } => self.flow(first, plan),
            TaskKind::Completion { run, keep } => self.completion(run as u64, keep as u64, plan),
            TaskKind::Propagation { run, keep } => self.propagation(run as u64, keep as u64, plan),
            TaskKind::QuarterFlows { flows, keep } => {
                // The frames propagated before, a slice of a flow, its sum and the results.
                let [full, quarter] = [1, 4].map(|scale| self.plane(scale, 4));
                keep as u64 * 4 * self.px + flows as u64 * 16 * quarter + 2 * full
            }
            TaskKind::Encoding => self.encoding(plan),
            TaskKind::Tokens => self.tokenising(),
            TaskKind::Window { locals, references } => {
                self.window(locals as u64, references as u64, plan)
            }
        }
    }

    /// Returns the bytes of the largest single allocation of a task, at least.
    fn largest(&self, doing: TaskKind, plan: &Plan) -> u64 {
        match doing {
            TaskKind::Flow { .. } => self.largest_of_flow(plan),
            TaskKind::Completion { run, .. } => self.largest_of_completion(run as u64, plan),
            TaskKind::Propagation { .. } | TaskKind::QuarterFlows { .. } => 12 * self.plane(1, 4),
            TaskKind::Encoding | TaskKind::Tokens => self.largest_of_encoding(plan),
            TaskKind::Window { locals, references } => {
                self.largest_of_window(locals as u64, references as u64, plan)
            }
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
        ByteModel::new(machine, [64, 48], CUT, Some(6)).needs(&Plan::LARGEST, DType::F32)
    }

    #[test]
    fn every_thread_and_the_caller_keep_a_buffer_of_the_size_of_the_cache() {
        for threads in [1, 2, 7, 64] {
            let without = needs(threads, 0);
            // Processors in use have 256 KiB to 2 MiB, some shared unevenly; the largest is beyond
            // any.
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
}
