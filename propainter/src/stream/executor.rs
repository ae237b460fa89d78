//! Carries out the tasks of the schedule with the networks.
//!
//! A network runs only if a hole needs it: a frame without one is its own fill, and where no frame
//! has one RAFT's flow is the completed one. So flows wait until a task needs them; the result is
//! the same.

use std::{ops::Range, sync::Arc};

use super::{
    networks::Networks,
    pixels::PropagatedImage,
    source::Source,
    stage_runner::StageRunner,
    state::{RawFlows, State},
};
use crate::{
    Cancel, Error, InpaintedFrame,
    memory::{
        Stage,
        budget::{Guard, Plan},
    },
    networks::{raft::Features, stored::StoredTensor},
    schedule::{BothWays, Direction, Holdings, ScaledFlows, TaskRunner, Window},
};

/// The networks, their memory guard, and the items of a stream.
pub struct Executor {
    pub networks: Arc<Networks>,
    pub guard: Guard,
    raft_iterations: usize,
    pub state: State,
    /// The plan by which the items held were last moved.
    placed_by: Plan,
}

impl Executor {
    pub fn new(
        networks: Arc<Networks>,
        guard: Guard,
        raft_iterations: usize,
        state: State,
    ) -> Self {
        Self {
            placed_by: guard.plan(),
            networks,
            guard,
            raft_iterations,
            state,
        }
    }

    /// Runs every task whose inputs are there, and returns the frames that became final.
    ///
    /// # Errors
    /// [`Error::Compute`], [`Error::OutOfMemory`] or [`Error::Cancelled`].
    pub fn run_tasks(&mut self, cancel: &Cancel) -> Result<Vec<InpaintedFrame>, Error> {
        let mut run = Run {
            executor: self,
            cancel,
            done: Vec::new(),
        };
        run.run_tasks()?;
        Ok(run.done)
    }

    /// Runs a stage; if memory runs out, again with the next smaller plan.
    ///
    /// # Errors
    /// The error of the stage; [`Error::OutOfMemory`] if no smaller plan is left.
    fn attempt<T>(
        &mut self,
        stage: Stage,
        cancel: &Cancel,
        work: impl Fn(&StageRunner<'_>, &State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            let plan = self.guard.plan();
            let state = &mut self.state;
            let moved = match self.placed_by == plan {
                true => Ok(()),
                false => self.guard.caught(stage, || state.move_as_planned(&plan)),
            };
            let result = moved.and_then(|()| {
                self.placed_by = plan;
                let runner = StageRunner {
                    networks: &self.networks,
                    plan,
                    cancel,
                };
                let state = &self.state;
                self.guard.watch(stage, || work(&runner, state))
            });
            match result {
                Err(Error::OutOfMemory { stage, problem }) => self.guard.shrink(stage, problem)?,
                other => return other,
            }
        }
    }

    /// Computes RAFT's flows between a frame and the next.
    ///
    /// # Errors
    /// As [`run_tasks`](Self::run_tasks).
    pub fn raft_flows(&mut self, index: usize, cancel: &Cancel) -> Result<RawFlows, Error> {
        let flows = self.several_raft_flows(index..index + 1, cancel)?;
        Ok(flows.into_iter().next().unwrap_or_default())
    }

    /// Computes RAFT's flows between each of `frames` and the next frame.
    ///
    /// # Errors
    /// As [`run_tasks`](Self::run_tasks).
    pub fn several_raft_flows(
        &mut self,
        frames: Range<usize>,
        cancel: &Cancel,
    ) -> Result<Vec<RawFlows>, Error> {
        let (mut features, missing) = match self.state.raft_features.take() {
            Some((held, features)) if held == frames.start => (vec![features], held + 1),
            _ => (Vec::new(), frames.start),
        };
        features.extend(self.attempt(Stage::Flow, cancel, |runner, state| {
            let frames = state.held.frames.range(missing..frames.end + 1);
            let frames: Vec<_> = frames.map(|source| &source.frame).collect();
            runner.features(&frames)
        })?);
        let iterations = self.raft_iterations;
        let flows = self.attempt(Stage::Flow, cancel, |runner, _| {
            runner.flows(&features, iterations)
        })?;
        let last = features.pop();
        self.state.raft_features = last.map(|last| (frames.end, last.owned()));
        Ok(flows)
    }

    /// Computes RAFT's flows that were put off after frame `newest` arrived, if they are enough to
    /// be computed together.
    ///
    /// # Errors
    /// As [`run_tasks`](Self::run_tasks).
    pub fn raft_flows_put_off(&mut self, newest: usize, cancel: &Cancel) -> Result<(), Error> {
        let at_once = self.guard.plan().frame_pairs();
        let state = &self.state;
        let put_off = |index: &usize| {
            let raw = state.held.raw_flows.find(*index);
            raw.is_some_and(|raw| raw.both().is_none()) && state.has_hole(*index..index + 2)
        };
        let count = (0..newest).rev().take(at_once).take_while(put_off).count();
        if count < at_once {
            return Ok(());
        }
        let frames = newest - count..newest;
        let flows = self.several_raft_flows(frames.clone(), cancel)?;
        for (index, flows) in frames.zip(flows) {
            *self.state.held.raw_flows.get_mut(index) = flows;
        }
        Ok(())
    }

    /// Computes RAFT's features of a frame and holds them for the next flows.
    ///
    /// # Errors
    /// As [`run_tasks`](Self::run_tasks).
    pub fn hold_raft_features(&mut self, index: usize, cancel: &Cancel) -> Result<(), Error> {
        let features = self.take_raft_features(index, cancel)?;
        self.state.raft_features = Some((index, features));
        Ok(())
    }

    /// Takes RAFT's features of a frame if they are held, and drops those of any other frame;
    /// computes them otherwise.
    fn take_raft_features(&mut self, index: usize, cancel: &Cancel) -> Result<Features, Error> {
        match self.state.raft_features.take() {
            Some((held, features)) if held == index => Ok(features),
            _ => {
                let features = self.attempt(Stage::Flow, cancel, |runner, state| {
                    runner.features(&[&state.held.frames.get(index).frame])
                })?;
                let first = features.into_iter().next();
                Ok(first.expect("features of one frame"))
            }
        }
    }
}

/// A call that runs tasks.
struct Run<'a> {
    executor: &'a mut Executor,
    cancel: &'a Cancel,
    done: Vec<InpaintedFrame>,
}

impl Run<'_> {
    fn attempt<T>(
        &mut self,
        stage: Stage,
        work: impl Fn(&StageRunner<'_>, &State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.executor.attempt(stage, self.cancel, work)
    }

    fn held(&mut self) -> &mut Holdings<Source, PropagatedImage, StoredTensor> {
        &mut self.executor.state.held
    }

    fn ensure_flow(&mut self, index: usize) -> Result<(), Error> {
        if self.held().flow(index).is_some() {
            return Ok(());
        }
        let mut flows = self.executor.raft_flows(index, self.cancel)?;
        let held = self.held();
        match held.raw_flows.find_mut(index) {
            Some(raw) => *raw = flows,
            None => *held.flows.get_mut(index) = flows.take(),
        }
        Ok(())
    }

    fn ensure_quarter_flow(&mut self, index: usize) -> Result<(), Error> {
        if self.held().quarter_flows.get(index).is_some() {
            return Ok(());
        }
        let fresh = match self.held().flow(index) {
            Some(_) => RawFlows::default(),
            None => self.executor.raft_flows(index, self.cancel)?,
        };
        let scaled = self.attempt(Stage::Propagation, |runner, state| {
            let flow = fresh.both().or_else(|| state.held.flow(index));
            flow.map(|flow| runner.scale_flow(flow)).transpose()
        })?;
        *self.held().quarter_flows.get_mut(index) = scaled;
        Ok(())
    }
}

impl TaskRunner for Run<'_> {
    type Frame = Source;
    type Image = PropagatedImage;
    type Tensor = StoredTensor;
    type Error = Error;

    fn holdings(&mut self) -> &mut Holdings<Source, PropagatedImage, StoredTensor> {
        self.held()
    }

    fn has_hole(&self, frames: Range<usize>) -> bool {
        self.executor.state.has_hole(frames)
    }

    fn begin(&mut self) -> Result<(), Error> {
        self.cancel.check()
    }

    fn ensure_raw_flows(&mut self, flows: Range<usize>) -> Result<(), Error> {
        let mut next = flows.start;
        while next < flows.end {
            let at_once = self.executor.guard.plan().frame_pairs();
            let held = self.held();
            let missing = |index: &usize| held.raw_flows.get(*index).both().is_none();
            let count = (next..flows.end).take(at_once).take_while(missing).count();
            let frames = next..next + count;
            next = frames.end.max(next + 1);
            if frames.is_empty() {
                continue;
            }
            let computed = self
                .executor
                .several_raft_flows(frames.clone(), self.cancel)?;
            for (index, flows) in frames.zip(computed) {
                *self.held().raw_flows.get_mut(index) = flows;
            }
        }
        Ok(())
    }

    fn ensure_flows(&mut self, mut flows: Range<usize>) -> Result<(), Error> {
        flows.try_for_each(|index| self.ensure_flow(index))
    }

    fn ensure_quarter_flows(&mut self, mut flows: Range<usize>) -> Result<(), Error> {
        flows.try_for_each(|index| self.ensure_quarter_flow(index))
    }

    fn complete(
        &mut self,
        run: &Range<usize>,
        keep: &Range<usize>,
        direction: Direction,
    ) -> Result<Vec<StoredTensor>, Error> {
        self.attempt(Stage::Completion, |runner, state| {
            let mut flows = runner.complete(state, run.clone(), keep.clone(), &[direction])?;
            Ok(flows.pop().unwrap_or_default())
        })
    }

    fn complete_both(
        &mut self,
        run: &Range<usize>,
        keep: &Range<usize>,
    ) -> Result<BothWays<StoredTensor>, Error> {
        self.attempt(Stage::Completion, |runner, state| {
            if !runner.plan.both_directions() {
                return Ok(None);
            }
            let both = [Direction::Forward, Direction::Backward];
            let both = runner.complete(state, run.clone(), keep.clone(), &both)?;
            Ok(both.try_into().ok())
        })
    }

    fn propagate(
        &mut self,
        run: &Range<usize>,
        keep: &Range<usize>,
        seeded: bool,
    ) -> Result<Vec<PropagatedImage>, Error> {
        self.attempt(Stage::Propagation, |runner, state| {
            runner.propagate(state, run.clone(), keep.clone(), seeded)
        })
    }

    fn unpropagated(&mut self, frames: &Range<usize>) -> Vec<PropagatedImage> {
        let sources = self.held().frames.range(frames.clone());
        sources
            .map(|source| PropagatedImage::unchanged(&source.frame, &source.hole))
            .collect()
    }

    fn scale_flows(
        &mut self,
        flows: Range<usize>,
        _: &[PropagatedImage],
    ) -> Result<ScaledFlows<StoredTensor>, Error> {
        if flows.clone().any(|i| self.held().flow(i).is_some()) {
            return self.attempt(Stage::Propagation, |runner, state| {
                runner.scale_flows(state, flows.clone())
            });
        }
        Ok(flows.map(|_| None).collect())
    }

    fn is_same(one: &PropagatedImage, other: &PropagatedImage) -> bool {
        one == other
    }

    fn encode(&mut self, index: usize) -> Result<StoredTensor, Error> {
        self.attempt(Stage::Encoder, |runner, state| runner.encode(state, index))
    }

    fn tokens(&mut self, index: usize) -> Result<StoredTensor, Error> {
        self.attempt(Stage::Encoder, |runner, state| {
            let features = state.held.propagated.get(index).features.as_ref();
            let features = features.ok_or_else(|| Error::Compute {
                stage: "the encoder",
                problem: format!("the features of frame {index} are not held"),
            })?;
            runner.tokens(features)
        })
    }

    fn generate(&mut self, window: &Window) -> Result<(), Error> {
        let patches = self.attempt(Stage::Generator, |runner, state| {
            runner.generate(state, window)
        })?;
        let held = self.held();
        for patch in patches {
            held.frames.get_mut(patch.index).blend(&patch);
        }
        self.executor.guard.window_done();
        Ok(())
    }

    fn send(&mut self, frames: Range<usize>) {
        self.done.extend(self.executor.state.results(frames));
    }

    fn end(&mut self) {
        let bytes = self.executor.state.host_bytes();
        self.executor.guard.held(bytes);
    }
}
