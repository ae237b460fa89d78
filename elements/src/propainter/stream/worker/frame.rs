//! The way of one frame through the worker: its mask, its route, the computation, its outcome.

use std::sync::Arc;

use propainter::{Frame, InpaintedFrame, Mask};

use super::Worker;
use crate::propainter::{
    error::Failure,
    properties::enums::LatePolicy,
    qos::circuit_breaker::Route,
    stream::{
        overdue,
        queue::frame::{FrameTask, Outcome},
    },
};

/// Where a frame goes.
enum FrameRoute {
    Engine,
    Fallback,
    /// Nowhere: the late policy decides.
    Policy(Outcome),
}

/// The frames that became final, and how they go out.
type Finished = (Vec<(u64, InpaintedFrame)>, fn(InpaintedFrame) -> Outcome);

impl Worker {
    /// Processes a frame. Does nothing more once the frame is void.
    pub(super) fn frame(&mut self, task: FrameTask) -> Result<(), Failure> {
        let Some(mask) = self.mask(&task)? else {
            return Ok(());
        };
        let finished = match self.route(&task, &mask) {
            None => None,
            Some(FrameRoute::Engine) => self.run_engine(task, &mask)?,
            Some(FrameRoute::Fallback) => self.run_fallback(task, &mask)?,
            Some(FrameRoute::Policy(outcome)) => {
                // The policy may have changed: frames may be in the fallback.
                self.drain_fallback()?;
                self.decide([(task.id, outcome)]);
                None
            }
        };
        if let Some((done, outcome)) = finished {
            self.publish(done, outcome);
        }
        Ok(())
    }

    /// Stores the mask of a frame and decides where the frame goes; `None` if it is void.
    fn route(&self, task: &FrameTask, mask: &Arc<Mask>) -> Option<FrameRoute> {
        let run = &mut self.cx.state.lock().run;
        if !self.is_current(run) {
            return None;
        }
        run.queue.set_mask(task.id, mask);
        run.last_mask = Some(mask.clone());
        let route = run.breaker.route(task.id);
        // After a failure of the device there is no hurry, and the late policy does not apply.
        let policy = (!run.breaker.has_failed()).then(|| run.late_policy());
        Some(match (route, policy) {
            (Route::Engine, _) => FrameRoute::Engine,
            (_, Some(LatePolicy::PassThrough)) => FrameRoute::Policy(Outcome::PassedThrough),
            (_, Some(LatePolicy::Drop)) => FrameRoute::Policy(Outcome::Dropped),
            _ => FrameRoute::Fallback,
        })
    }

    fn run_engine(
        &mut self,
        mut task: FrameTask,
        mask: &Mask,
    ) -> Result<Option<Finished>, Failure> {
        self.drain_fallback()?;
        if !self.open(task.geometry)? {
            return Ok(None);
        }
        let Some(frame) = self.rgb(&mut task)? else {
            return Ok(None);
        };
        let Some(engine) = &mut self.engine else {
            return Ok(None);
        };
        engine.session.set_time_limit(overdue::time_limit(&self.cx));
        let done = engine.push(task.id, frame, mask);
        self.report_session();
        Ok(Some((done?, Outcome::Engine)))
    }

    fn run_fallback(
        &mut self,
        mut task: FrameTask,
        mask: &Mask,
    ) -> Result<Option<Finished>, Failure> {
        let (settings, latency_frames) = {
            let run = &self.cx.state.lock().run;
            (run.settings.clone(), run.latency_frames())
        };
        let cancel = self
            .fallback
            .prepare(&settings, task.geometry, latency_frames)?;
        {
            let run = &mut self.cx.state.lock().run;
            if !self.is_current(run) {
                return Ok(None);
            }
            run.fallback_cancel = cancel;
        }
        let Some(frame) = self.rgb(&mut task)? else {
            return Ok(None);
        };
        self.fallback.set_time_limit(overdue::time_limit(&self.cx));
        let done = self.fallback.push(task.id, frame, mask)?;
        Ok(Some((done, Outcome::Fallback)))
    }

    /// Returns a frame in RGB; `None` if it has left the queue meanwhile.
    fn rgb(&self, task: &mut FrameTask) -> Result<Option<Frame>, Failure> {
        let frame = match task.frame.take() {
            Some(reading) => reading.frame(),
            None => {
                let Some(mut input) = self.cx.state.lock().run.queue.input(task.id) else {
                    return Ok(None);
                };
                let engine = self.engine.as_ref();
                input.take_frame(engine.and_then(|engine| engine.frames.as_deref()))
            }
        };
        frame
            .map(Some)
            .map_err(|problem| Failure::Internal(problem.to_string()))
    }
}
