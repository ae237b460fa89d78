//! The networks over a stream: by the schedule of the official procedure what comes out, frame
//! by frame, is what that gives for the whole clip (spec section 7).
//!
//! A network runs for a hole's sake only. Frames without one are their own fill, and where there
//! was no hole RAFT's flow is the completed one; so flows wait until something needs them, and
//! what comes out is the same.

use std::{ops::Range, sync::Arc};

use super::{
    pixels::Filled,
    stage_runner::{Networks, StageRunner},
    state::{Direction, Flow, Raw, Source, State, Updated},
};
use crate::{
    Cancel, Done, Error, Frame, Mask,
    engine::Engine,
    memory::{
        Notice, Stage, Usage,
        planning::{Guard, Plan},
    },
    networks::raft::Features,
    schedule::{Task, Window, WindowParams},
};

/// The streaming engine of the networks.
pub struct StreamEngine {
    networks: Arc<Networks>,
    guard: Guard,
    cut: WindowParams,
    raft_iterations: usize,
    state: State,
    /// The plan by which what is held lies where it lies.
    arranged: Plan,
}

impl StreamEngine {
    pub fn new(
        networks: Arc<Networks>,
        guard: Guard,
        cut: WindowParams,
        raft_iterations: usize,
    ) -> Self {
        Self {
            arranged: guard.plan(),
            networks,
            guard,
            cut,
            raft_iterations,
            state: State::new(cut),
        }
    }

    /// Does `work`; where memory runs out, again with the next smaller plan.
    ///
    /// # Errors
    /// What `work` returns; [`Error::OutOfMemory`] where no smaller plan is left.
    fn attempt<T>(
        &mut self,
        stage: Stage,
        cancel: &Cancel,
        work: impl Fn(&StageRunner<'_>, &State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            let plan = self.guard.plan();
            let state = &mut self.state;
            let arranged = match self.arranged == plan {
                true => Ok(()),
                false => self.guard.caught(stage, || state.arrange(&plan)),
            };
            let result = arranged.and_then(|()| {
                self.arranged = plan;
                let tools = StageRunner {
                    networks: &self.networks,
                    plan,
                    cancel,
                };
                let state = &self.state;
                self.guard.watch(stage, || work(&tools, state))
            });
            match result {
                Err(Error::OutOfMemory { stage, problem }) => self.guard.shrink(stage, problem)?,
                other => return other,
            }
        }
    }

    /// Runs every task whose inputs are there.
    fn advance(&mut self, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        let mut done = Vec::new();
        while let Some(task) = self.state.schedule.next_task() {
            cancel.check()?;
            match task {
                Task::Complete { run, keep } => self.complete(&run, &keep, cancel)?,
                Task::Propagate { run, keep, seeded } => {
                    self.propagate(&run, &keep, seeded, cancel)?;
                }
                Task::Generate(window) => done.extend(self.generate(&window, cancel)?),
            }
            self.state.release();
            self.guard.held(self.state.host_bytes());
        }
        Ok(done)
    }

    fn complete(
        &mut self,
        run: &Range<usize>,
        keep: &Range<usize>,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        // Earlier ones in their place saw less of the future.
        self.state.flows.take_from(keep.start);
        self.state.guides.take_from(keep.start);
        // Completed flows differ from RAFT's in the hole of the frame they lead from.
        if !self.state.has_hole(keep.start..keep.end + 1) {
            keep.clone().for_each(|_| self.state.flows.push(None));
            return Ok(());
        }
        for index in run.clone() {
            let raw = self.state.raw_flows.get(index);
            if raw.forward.is_none() || raw.backward.is_none() {
                *self.state.raw_flows.get_mut(index) = self.pair(index, cancel)?;
            }
        }
        let forward = self.attempt(Stage::Completion, cancel, |work, state| {
            work.complete(state, run.clone(), keep.clone(), Direction::Forward)
        })?;
        self.state.half = forward;
        self.state.release_raw(Direction::Forward);
        let backward = self.attempt(Stage::Completion, cancel, |work, state| {
            work.complete(state, run.clone(), keep.clone(), Direction::Backward)
        })?;
        self.state.release_raw(Direction::Backward);
        let forward = std::mem::take(&mut self.state.half);
        for (forward, backward) in forward.into_iter().zip(backward) {
            self.state.flows.push(Some(Flow { forward, backward }));
        }
        Ok(())
    }

    fn propagate(
        &mut self,
        run: &Range<usize>,
        keep: &Range<usize>,
        seeded: bool,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let filled = if self.state.has_hole(keep.clone()) {
            for index in run.start..run.end - 1 {
                self.flow(index, cancel)?;
            }
            self.attempt(Stage::Propagation, cancel, |work, state| {
                work.propagate(state, run.clone(), keep.clone(), seeded)
            })?
        } else {
            let sources = self.state.sources.range(keep.clone());
            let whole = sources.map(|source| Filled::whole(&source.frame, &source.hole));
            whole.collect()
        };
        // The flows between frames that are propagated.
        let pairs = self.state.guides.indices().end..keep.end - 1;
        let known = pairs.clone().any(|i| self.state.flow(i).is_some());
        let guides = match known {
            true => self.attempt(Stage::Propagation, cancel, |work, state| {
                work.guides(state, pairs.clone())
            })?,
            false => pairs.map(|_| None).collect(),
        };
        for guide in guides {
            self.state.guides.push(guide);
        }
        let mut earlier = self.state.updated.take_from(keep.start).into_iter();
        for filled in filled {
            // Features of a frame that has become no other are the same.
            let same = earlier.next().filter(|earlier| earlier.filled == filled);
            self.state.updated.push(Updated {
                filled,
                features: same.and_then(|earlier| earlier.features),
                tokens: None,
            });
        }
        Ok(())
    }

    /// Sees to it that the completed flows between a frame and the next are there.
    fn flow(&mut self, index: usize, cancel: &Cancel) -> Result<(), Error> {
        if self.state.flow(index).is_some() {
            return Ok(());
        }
        let Raw { forward, backward } = self.pair(index, cancel)?;
        match self.state.raw_flows.find_mut(index) {
            Some(raw) => *raw = Raw { forward, backward },
            None => {
                let flow = forward.zip(backward);
                let flow = flow.map(|(forward, backward)| Flow { forward, backward });
                *self.state.flows.get_mut(index) = flow;
            }
        }
        Ok(())
    }

    /// Sees to it that the generator has its guide between a frame and the next.
    fn guide(&mut self, index: usize, cancel: &Cancel) -> Result<(), Error> {
        if self.state.guides.get(index).is_some() {
            return Ok(());
        }
        let raw = match self.state.flow(index) {
            Some(_) => Raw::default(),
            None => self.pair(index, cancel)?,
        };
        let guide = self.attempt(Stage::Propagation, cancel, |work, state| {
            let fresh = raw.forward.as_ref().zip(raw.backward.as_ref());
            let flow = fresh.or_else(|| state.flow(index));
            flow.map(|flow| work.guide(flow)).transpose()
        })?;
        *self.state.guides.get_mut(index) = guide;
        Ok(())
    }

    /// RAFT's flows between a frame and the next.
    fn pair(&mut self, index: usize, cancel: &Cancel) -> Result<Raw, Error> {
        let first = self.features(index, cancel)?;
        let second = self.features(index + 1, cancel)?;
        let iterations = self.raft_iterations;
        let flows = self.attempt(Stage::Flow, cancel, |work, _| {
            work.flows(&first, &second, iterations)
        })?;
        self.state.known = Some((index + 1, second));
        Ok(flows)
    }

    /// RAFT's features of a frame, taken from what is known.
    fn features(&mut self, index: usize, cancel: &Cancel) -> Result<Features, Error> {
        match self.state.known.take() {
            Some((known, features)) if known == index => Ok(features),
            _ => self.attempt(Stage::Flow, cancel, |work, state| {
                work.features(&state.sources.get(index).frame)
            }),
        }
    }

    fn generate(&mut self, window: &Window, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        let locals = window.neighbours.clone();
        // Without a hole among the local frames the output is the input.
        if self.state.has_hole(locals.clone()) {
            for index in locals.start..locals.end - 1 {
                self.guide(index, cancel)?;
            }
            for index in locals.clone() {
                self.encode(index, cancel)?;
            }
            for &index in &window.references {
                self.tokenise(index, cancel)?;
            }
            let pictures = self.attempt(Stage::Generator, cancel, |work, state| {
                work.generate(state, window)
            })?;
            for patch in pictures {
                self.state.sources.get_mut(patch.index).blend(&patch);
            }
            self.guard.window_done();
        }
        // Frames that are local no more may be references still.
        for index in self.state.leaving() {
            self.tokenise(index, cancel)?;
        }
        Ok(self.state.finish(window.final_before))
    }

    /// Sees to it that a frame has features.
    fn encode(&mut self, index: usize, cancel: &Cancel) -> Result<(), Error> {
        if self.state.updated.get(index).features.is_none() {
            let features = self.attempt(Stage::Encoder, cancel, |work, state| {
                work.encode(state, index)
            })?;
            self.state.updated.get_mut(index).features = Some(features);
        }
        Ok(())
    }

    /// Sees to it that a frame has tokens.
    fn tokenise(&mut self, index: usize, cancel: &Cancel) -> Result<(), Error> {
        if self.state.updated.get(index).tokens.is_some() {
            return Ok(());
        }
        self.encode(index, cancel)?;
        let tokens = self.attempt(Stage::Encoder, cancel, |work, state| {
            let features = state.updated.get(index).features.as_ref();
            features.map(|features| work.tokens(features)).transpose()
        })?;
        let local = self.state.schedule.needed().features;
        let updated = self.state.updated.get_mut(index);
        updated.tokens = tokens;
        if index < local {
            updated.features = None;
        }
        Ok(())
    }
}

impl Engine for StreamEngine {
    fn push(&mut self, frame: Frame, hole: Mask, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        let index = self.state.sources.indices().end;
        self.state.sources.push(Source::new(frame, hole));
        let before = index.checked_sub(1);
        // Flows next to a hole will be needed: their time is spread over the frames.
        let needed = self.state.has_hole(before.unwrap_or(0)..index + 1);
        let raw = match before {
            Some(before) if needed => Some(self.pair(before, cancel)?),
            Some(_) => Some(Raw::default()),
            None if needed => {
                let features = self.features(index, cancel)?;
                self.state.known = Some((index, features));
                None
            }
            None => None,
        };
        if let Some(raw) = raw {
            self.state.raw_flows.push(raw);
        }
        self.state.schedule.push();
        self.advance(cancel)
    }

    fn drain(&mut self, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        self.state.schedule.end();
        let mut done = self.advance(cancel)?;
        // Sliding windows may have been through before the end was known.
        let end = self.state.sources.indices().end;
        done.extend(self.state.finish(end));
        self.flush();
        Ok(done)
    }

    fn flush(&mut self) {
        self.state = State::new(self.cut);
        self.guard.flush();
    }

    fn latency_frames(&self) -> usize {
        self.cut.latency_frames()
    }

    fn plan(&self) -> Option<String> {
        Some(self.guard.plan().to_string())
    }

    fn usage(&self) -> Usage {
        self.guard.usage()
    }

    fn quiet_windows(&self) -> u32 {
        self.guard.quiet()
    }

    fn notices(&mut self) -> Vec<Notice> {
        self.guard.notices()
    }
}
