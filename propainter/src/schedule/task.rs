//! The tasks of a schedule and the items that they need.

use std::ops::Range;

/// A task that may run, because its inputs are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Completes flows of RAFT in both directions.
    Complete {
        /// Flows that the network processes, with the masks `run.start..=run.end`.
        run: Range<usize>,
        /// Flows of `run` that are kept. They replace all completed flows from `keep.start` on.
        keep: Range<usize>,
    },
    /// Propagates frames along their completed flows.
    Propagate {
        /// Frames that are propagated, with the flows `run.start..run.end − 1`.
        run: Range<usize>,
        /// Frames of `run` that are kept. They replace all propagated frames from `keep.start` on.
        keep: Range<usize>,
        /// Whether the first frame of `run` is taken as it was propagated before.
        seeded: bool,
    },
    /// Generates the local frames, blends them in, and returns the final frames.
    Generate(Window),
}

/// One generator window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Consecutive local frames.
    pub neighbours: Range<usize>,
    /// Reference frames, ascending, none of them a neighbour.
    pub references: Vec<usize>,
    /// Every frame before this one is final after this window.
    pub final_before: usize,
}

/// The lowest index of each kind of item that a later task can need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Flows of RAFT.
    pub raw_flows: usize,
    /// Completed flows for propagation.
    pub flows: usize,
    /// Source frames for propagation.
    pub frames: usize,
    /// Completed flows for the generator.
    pub quarter_flows: usize,
    /// Propagated frames that may be local.
    pub features: usize,
    /// Propagated frames for the generator.
    pub propagated: usize,
}
