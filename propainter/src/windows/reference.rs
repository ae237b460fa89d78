//! The official procedure as a stream: what comes out, frame by frame, is what the
//! procedure gives for the whole clip (spec section 7).

use std::{ops::Range, sync::Arc};

use super::{
    schedule::{Cut, Task, Window},
    state::{Direction, Flow, Source, State, Updated},
    work::{Networks, Work},
};
use crate::{
    Cancel, Done, Error, Frame, Mask,
    engine::Engine,
    memory::{Guard, Notice, Plan, Stage, Usage},
};

/// The streaming engine of `mode=reference`.
pub struct Reference {
    networks: Arc<Networks>,
    guard: Guard,
    cut: Cut,
    raft_iterations: usize,
    state: State,
    /// The plan by which what is held lies where it lies.
    arranged: Plan,
}

impl Reference {
    pub fn new(networks: Arc<Networks>, guard: Guard, cut: Cut, raft_iterations: usize) -> Self {
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
        work: impl Fn(&Work<'_>, &State) -> Result<T, Error>,
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
                let tools = Work {
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
                Task::Propagate { run, keep } => self.propagate(&run, &keep, cancel)?,
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
            self.state.flows.push(Flow { forward, backward });
        }
        Ok(())
    }

    fn propagate(
        &mut self,
        run: &Range<usize>,
        keep: &Range<usize>,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let filled = self.attempt(Stage::Propagation, cancel, |work, state| {
            work.propagate(state, run.clone(), keep.clone())
        })?;
        // The flows between frames that are propagated.
        let flows = self.state.guides.indices().end..keep.end - 1;
        let guides = self.attempt(Stage::Propagation, cancel, |work, state| {
            work.guides(state, flows.clone())
        })?;
        for filled in filled {
            self.state.updated.push(Updated {
                filled,
                features: None,
                tokens: None,
            });
        }
        for guide in guides {
            self.state.guides.push(guide);
        }
        Ok(())
    }

    fn generate(&mut self, window: &Window, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        let locals = window.neighbours.clone();
        let sources = self.state.sources.range(locals.clone());
        let holes = sources.filter(|source| !source.hole.is_empty()).count();
        // Without a hole among the local frames the output is the input.
        if holes > 0 {
            for index in locals.clone() {
                self.encode(index, cancel)?;
            }
            for &index in &window.references {
                self.tokenise(index, cancel)?;
            }
            let pictures = self.attempt(Stage::Generator, cancel, |work, state| {
                work.generate(state, window)
            })?;
            for (index, picture) in locals.zip(pictures) {
                self.state.sources.get_mut(index).blend(&picture);
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

impl Engine for Reference {
    fn push(&mut self, frame: Frame, hole: Mask, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        let features = self.attempt(Stage::Flow, cancel, |work, _| work.features(&frame))?;
        let iterations = self.raft_iterations;
        let flows = self.attempt(Stage::Flow, cancel, |work, state| {
            let previous = state.newest.as_ref();
            let flows = previous.map(|newest| work.flows(newest, &features, iterations));
            flows.transpose()
        })?;
        let state = &mut self.state;
        if let Some(raw) = flows {
            state.raw_flows.push(raw);
        }
        state.newest = Some(features);
        state.sources.push(Source::new(frame, hole));
        state.schedule.push();
        self.advance(cancel)
    }

    fn drain(&mut self, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        self.state.schedule.end();
        let done = self.advance(cancel)?;
        self.flush();
        Ok(done)
    }

    fn flush(&mut self) {
        self.state = State::new(self.cut);
        self.guard.flush();
    }

    fn look_ahead(&self) -> usize {
        self.cut.look_ahead()
    }

    fn plan(&self) -> Option<String> {
        Some(self.guard.plan().to_string())
    }

    fn usage(&self) -> Usage {
        self.guard.usage()
    }

    fn calm(&self) -> u32 {
        self.guard.quiet()
    }

    fn notices(&mut self) -> Vec<Notice> {
        self.guard.notices()
    }
}
