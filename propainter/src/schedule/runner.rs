//! The steps of every task, and the order in which items come and go meanwhile.

use std::ops::Range;

use super::{Direction, FlowPair, Holdings, Task, Window};

/// Completed flows at quarter scale; `None` where they are not held.
pub type ScaledFlows<Tensor> = Vec<Option<FlowPair<Tensor>>>;

/// Completed flows, forward and backward; `None` if the directions are completed one after the other.
pub type BothWays<Tensor> = Option<[Vec<Tensor>; 2]>;

/// Carries out the steps of tasks. The stream computes in each of them, the simulation counts.
pub trait TaskRunner {
    /// A source frame, as the holdings keep it.
    type Frame;
    /// A propagated image.
    type Image;
    /// A flow, or the features or tokens of a frame.
    type Tensor;
    /// The error of a step.
    type Error;

    /// Returns the items that are held between steps.
    fn holdings(&mut self) -> &mut Holdings<Self::Frame, Self::Image, Self::Tensor>;

    /// Returns whether one of these frames has a hole. If none has, networks do not run.
    fn has_hole(&self, frames: Range<usize>) -> bool;

    /// Called before each task.
    ///
    /// # Errors
    /// Any error ends the run; this holds for all steps.
    fn begin(&mut self) -> Result<(), Self::Error>;

    /// Ensures that the flows of RAFT are held.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn ensure_raw_flows(&mut self, flows: Range<usize>) -> Result<(), Self::Error>;

    /// Ensures that the completed flows are held.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn ensure_flows(&mut self, flows: Range<usize>) -> Result<(), Self::Error>;

    /// Ensures that the completed flows are held at quarter scale.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn ensure_quarter_flows(&mut self, flows: Range<usize>) -> Result<(), Self::Error>;

    /// Completes the flows `run` in one direction and returns the flows `keep`.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn complete(
        &mut self,
        run: &Range<usize>,
        keep: &Range<usize>,
        direction: Direction,
    ) -> Result<Vec<Self::Tensor>, Self::Error>;

    /// Completes the flows `run` in both directions at once and returns the flows `keep`, forward and
    /// backward; `None` if the plan does not say so.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn complete_both(
        &mut self,
        _run: &Range<usize>,
        _keep: &Range<usize>,
    ) -> Result<BothWays<Self::Tensor>, Self::Error> {
        Ok(None)
    }

    /// Propagates the frames `run` and returns the frames `keep`; `seeded` as in
    /// [`Task::Propagate`].
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn propagate(
        &mut self,
        run: &Range<usize>,
        keep: &Range<usize>,
        seeded: bool,
    ) -> Result<Vec<Self::Image>, Self::Error>;

    /// Returns frames without a hole as propagated ones.
    fn unpropagated(&mut self, frames: &Range<usize>) -> Vec<Self::Image>;

    /// Returns the completed flows at quarter scale, as far as they are held, while `propagated`
    /// frames wait to be put away.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn scale_flows(
        &mut self,
        flows: Range<usize>,
        propagated: &[Self::Image],
    ) -> Result<ScaledFlows<Self::Tensor>, Self::Error>;

    /// Returns whether two propagated images have the same features.
    fn is_same(one: &Self::Image, other: &Self::Image) -> bool;

    /// Returns the features of a propagated frame.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn encode(&mut self, index: usize) -> Result<Self::Tensor, Self::Error>;

    /// Returns the tokens of a frame whose features are held.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn tokens(&mut self, index: usize) -> Result<Self::Tensor, Self::Error>;

    /// Generates the local frames of a window and blends them into the source frames.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn generate(&mut self, window: &Window) -> Result<(), Self::Error>;

    /// Returns final frames to the caller.
    fn send(&mut self, frames: Range<usize>);

    /// Called after each task, when the items that no later task needs were dropped.
    fn end(&mut self);

    /// Runs every task whose inputs are there.
    ///
    /// # Errors
    /// The error of a step.
    fn run_tasks(&mut self) -> Result<(), Self::Error> {
        // A frame, or the end, may have decided that some items are not needed any more.
        self.holdings().release();
        while let Some(task) = self.holdings().schedule.next_task() {
            self.begin()?;
            match task {
                Task::Complete { run, keep } => self.run_completion(&run, &keep)?,
                Task::Propagate { run, keep, seeded } => {
                    self.run_propagation(&run, &keep, seeded)?;
                }
                Task::Generate(window) => self.run_window(&window)?,
            }
            self.holdings().release();
            self.end();
        }
        Ok(())
    }

    /// Runs [`Task::Complete`].
    ///
    /// # Errors
    /// The error of a step.
    fn run_completion(
        &mut self,
        run: &Range<usize>,
        keep: &Range<usize>,
    ) -> Result<(), Self::Error> {
        self.holdings().begin_completion(keep);
        // Completed flows differ from RAFT's in the hole of the frame that they lead from.
        if !self.has_hole(keep.start..keep.end + 1) {
            self.holdings().keep_raw_flows(keep);
            return Ok(());
        }
        self.ensure_raw_flows(run.clone())?;
        if let Some([forward, backward]) = self.complete_both(run, keep)? {
            self.holdings().half_complete(forward);
            self.holdings().finish_completion(backward);
            return Ok(());
        }
        let forward = self.complete(run, keep, Direction::Forward)?;
        self.holdings().half_complete(forward);
        let backward = self.complete(run, keep, Direction::Backward)?;
        self.holdings().finish_completion(backward);
        Ok(())
    }

    /// Runs [`Task::Propagate`].
    ///
    /// # Errors
    /// The error of a step.
    fn run_propagation(
        &mut self,
        run: &Range<usize>,
        keep: &Range<usize>,
        seeded: bool,
    ) -> Result<(), Self::Error> {
        let images = if self.has_hole(keep.clone()) {
            self.ensure_flows(run.start..run.end - 1)?;
            self.propagate(run, keep, seeded)?
        } else {
            self.unpropagated(keep)
        };
        let flows = self.holdings().flows_to_scale(keep);
        let scaled = self.scale_flows(flows, &images)?;
        let holdings = self.holdings();
        for flow in scaled {
            holdings.quarter_flows.push(flow);
        }
        holdings.replace_propagated(keep.start, images, Self::is_same);
        Ok(())
    }

    /// Runs [`Task::Generate`].
    ///
    /// # Errors
    /// The error of a step.
    fn run_window(&mut self, window: &Window) -> Result<(), Self::Error> {
        let locals = window.neighbours.clone();
        // Without a hole among the local frames the output is the input.
        if self.has_hole(locals.clone()) {
            self.ensure_quarter_flows(locals.start..locals.end - 1)?;
            for index in locals {
                self.ensure_features(index)?;
            }
            for &index in &window.references {
                self.ensure_tokens(index)?;
            }
            self.generate(window)?;
        }
        // Frames that are not local any more may be references still.
        for index in self.holdings().leaving() {
            self.ensure_tokens(index)?;
        }
        let finals = self.holdings().finish(window.final_before);
        self.send(finals);
        Ok(())
    }

    /// Ensures that the features of a frame are held.
    ///
    /// # Errors
    /// The error of a step.
    fn ensure_features(&mut self, index: usize) -> Result<(), Self::Error> {
        if self.holdings().propagated.get(index).features.is_none() {
            let features = self.encode(index)?;
            self.holdings().propagated.get_mut(index).features = Some(features);
        }
        Ok(())
    }

    /// Ensures that the tokens of a frame are held.
    ///
    /// # Errors
    /// The error of a step.
    fn ensure_tokens(&mut self, index: usize) -> Result<(), Self::Error> {
        if self.holdings().propagated.get(index).tokens.is_none() {
            self.ensure_features(index)?;
            let tokens = self.tokens(index)?;
            self.holdings().put_tokens(index, tokens);
        }
        Ok(())
    }
}
