//! Counts the items that a stream holds at each of its tasks, without computing anything.

use std::{collections::HashSet, convert::Infallible, ops::Range};

use super::{
    Direction, FlowPair, Holdings, Window, WindowParams,
    holdings::RawFlows,
    runner::{ScaledFlows, TaskRunner},
};

/// The number of items of each kind that are held while a task runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Source frames.
    pub frames: usize,
    /// Source frames, and those that propagated frames were made of.
    pub sources: usize,
    /// Source frames into which a window was blended.
    pub blended: usize,
    /// Single flows of RAFT.
    pub raw_flows: usize,
    /// Single flows of a completion chunk that is half done.
    pub half: usize,
    /// Completed flows, in pairs of both directions.
    pub flows: usize,
    /// Completed flows at quarter scale, in pairs of both directions.
    pub quarter_flows: usize,
    /// Propagated frames.
    pub propagated: usize,
    /// Propagated frames with features.
    pub features: usize,
    /// Propagated frames with tokens.
    pub tokens: usize,
}

/// The kind of a step, with the sizes that its memory depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Computes the flows of a new frame; only its features if it is the first.
    Flow {
        /// Whether the frame is the first of the stream.
        first: bool,
    },
    /// Completes flows in one direction.
    Completion {
        /// Number of flows that the network processes.
        run: usize,
        /// Number of those flows that are kept.
        keep: usize,
    },
    /// Propagates frames.
    Propagation {
        /// Number of frames that are propagated.
        run: usize,
        /// Number of those frames that are kept.
        keep: usize,
    },
    /// Scales completed flows to a quarter, while new propagated frames wait to be put away.
    QuarterFlows {
        /// Number of completed flows, in pairs of both directions.
        flows: usize,
        /// Number of new propagated frames.
        keep: usize,
    },
    /// Computes the features of a frame.
    Encoding,
    /// Computes the tokens of a frame.
    Tokens,
    /// Generates the local frames of a window.
    Window {
        /// Number of local frames.
        locals: usize,
        /// Number of reference frames.
        references: usize,
    },
}

/// A step, and the items held meanwhile without its own results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// Number of items held, without the step's own results.
    pub held: Counts,
    /// Kind and sizes of the step.
    pub kind: TaskKind,
}

/// Returns the different snapshots of a stream of `length` frames that all have a hole; with
/// `None`, of a stream of any length whose frames may have none.
pub fn simulate(params: WindowParams, length: Option<usize>) -> Vec<Snapshot> {
    // The references of a sliding window repeat themselves after this many frames, or fewer.
    let period = match params.effective_lookahead() {
        Some(_) => params.hop() * params.ref_stride.min(params.subvideo_length),
        None => 0,
    };
    let lengths = match length {
        Some(length) => vec![length],
        // The longest clip that is one chunk, and one long enough to repeat itself.
        None => vec![
            params
                .effective_lookahead()
                .map_or(params.subvideo_length, |ahead| ahead.max(params.hop())),
            2 * params.latency_frames() + 2 * params.subvideo_length + period + 64,
        ],
    };
    let mut snapshots = HashSet::new();
    for frames in lengths {
        let mut simulation = Simulation {
            snapshots: &mut snapshots,
            late_flows: length.is_none(),
            holdings: Holdings::new(params),
        };
        for _ in 0..frames {
            simulation.push();
        }
        simulation.holdings.schedule.end();
        let Ok(()) = simulation.run_tasks();
    }
    snapshots.into_iter().collect()
}

/// A stream whose items have no content; of a source frame it knows whether a window was blended
/// into it.
struct Simulation<'a> {
    snapshots: &'a mut HashSet<Snapshot>,
    /// Whether frames may be without a hole, so that flows are computed when a task needs them.
    late_flows: bool,
    holdings: Holdings<bool, (), ()>,
}

impl Simulation<'_> {
    fn push(&mut self) {
        let first = self.holdings.frames.indices().end == 0;
        self.holdings.frames.push(false);
        self.note(TaskKind::Flow { first });
        if !first {
            self.holdings.raw_flows.push(RawFlows {
                forward: Some(()),
                backward: Some(()),
            });
        }
        self.holdings.schedule.push();
        let Ok(()) = self.run_tasks();
    }

    fn note(&mut self, kind: TaskKind) {
        let held = self.counts();
        self.snapshots.insert(Snapshot { held, kind });
    }

    fn note_late_flow(&mut self) {
        if self.late_flows {
            self.note(TaskKind::Flow { first: false });
        }
    }

    fn counts(&self) -> Counts {
        let held = &self.holdings;
        let raw = held.raw_flows.iter();
        let propagated = held.propagated.iter();
        let (features, tokens) = propagated.fold((0, 0), |(features, tokens), frame| {
            (
                features + usize::from(frame.features.is_some()),
                tokens + usize::from(frame.tokens.is_some()),
            )
        });
        let (frames, images) = (held.frames.indices(), held.propagated.indices());
        let both = frames.start.max(images.start)..frames.end.min(images.end);
        Counts {
            frames: frames.len(),
            sources: frames.len() + images.len() - both.len(),
            blended: held.frames.iter().filter(|blended| **blended).count(),
            raw_flows: raw
                .map(|raw| usize::from(raw.forward.is_some()) + usize::from(raw.backward.is_some()))
                .sum(),
            half: held.half.len(),
            flows: held.flows.indices().len(),
            quarter_flows: held.quarter_flows.indices().len(),
            propagated: images.len(),
            features,
            tokens,
        }
    }
}

impl TaskRunner for Simulation<'_> {
    type Frame = bool;
    type Image = ();
    type Tensor = ();
    type Error = Infallible;

    fn holdings(&mut self) -> &mut Holdings<bool, (), ()> {
        &mut self.holdings
    }

    fn has_hole(&self, _: Range<usize>) -> bool {
        true
    }

    fn begin(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn ensure_raw_flows(&mut self, _: Range<usize>) -> Result<(), Infallible> {
        self.note_late_flow();
        Ok(())
    }

    fn ensure_flows(&mut self, _: Range<usize>) -> Result<(), Infallible> {
        self.note_late_flow();
        Ok(())
    }

    fn ensure_quarter_flows(&mut self, _: Range<usize>) -> Result<(), Infallible> {
        self.note_late_flow();
        Ok(())
    }

    fn complete(
        &mut self,
        run: &Range<usize>,
        keep: &Range<usize>,
        _: Direction,
    ) -> Result<Vec<()>, Infallible> {
        self.note(TaskKind::Completion {
            run: run.len(),
            keep: keep.len(),
        });
        Ok(vec![(); keep.len()])
    }

    fn propagate(
        &mut self,
        run: &Range<usize>,
        keep: &Range<usize>,
        _: bool,
    ) -> Result<Vec<()>, Infallible> {
        self.note(TaskKind::Propagation {
            run: run.len(),
            keep: keep.len(),
        });
        Ok(vec![(); keep.len()])
    }

    fn unpropagated(&mut self, frames: &Range<usize>) -> Vec<()> {
        vec![(); frames.len()]
    }

    fn scale_flows(
        &mut self,
        flows: Range<usize>,
        propagated: &[()],
    ) -> Result<ScaledFlows<()>, Infallible> {
        self.note(TaskKind::QuarterFlows {
            flows: flows.len(),
            keep: propagated.len(),
        });
        let pair = || FlowPair {
            forward: (),
            backward: (),
        };
        Ok(flows.map(|_| Some(pair())).collect())
    }

    fn is_same((): &(), (): &()) -> bool {
        true
    }

    fn encode(&mut self, _: usize) -> Result<(), Infallible> {
        self.note(TaskKind::Encoding);
        Ok(())
    }

    fn tokens(&mut self, _: usize) -> Result<(), Infallible> {
        self.note(TaskKind::Tokens);
        Ok(())
    }

    fn generate(&mut self, window: &Window) -> Result<(), Infallible> {
        self.note(TaskKind::Window {
            locals: window.neighbours.len(),
            references: window.references.len(),
        });
        for index in window.neighbours.clone() {
            *self.holdings.frames.get_mut(index) = true;
        }
        Ok(())
    }

    fn send(&mut self, _: Range<usize>) {}

    fn end(&mut self) {}
}
