//! The worker: the thread that owns the session.
//!
//! It walks along the output queue, opens the session at the first frame, and puts the frames
//! that became final back into the queue. The lock is never held while a session computes. While
//! the circuit breaker is open ([`crate::propainter::qos::circuit_breaker`]) frames go to the
//! fallback ([`crate::propainter::stream::fallback`]).

mod engine;
mod frame;
mod mask;

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread::{self, JoinHandle},
    time::Instant,
};

use parking_lot::MutexGuard;
use propainter::{DeviceChoice, Error, InpaintedFrame};

use crate::propainter::{
    bus::failures,
    error::Failure,
    masks::combine::MaskCombiner,
    stream::{
        context::Context,
        fallback::Fallback,
        latency,
        queue::frame::{Geometry, Job, Outcome},
        run::{Phase, READY, Run},
        stall::{self, Remedy},
        tracked_session::TrackedSession,
    },
};

/// Starts the worker of an element. It ends once [`Run::stopping`] is set.
///
/// # Errors
/// The system has no thread to give.
pub fn spawn(context: Context) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("propainter".to_owned())
        .spawn(move || Worker::new(context).run())
}

struct Worker {
    cx: Context,
    engine: Option<TrackedSession>,
    /// Device of the first session. The session is always opened on the same device again; if
    /// that fails, the device has failed.
    device: Option<DeviceChoice>,
    fallback: Fallback,
    /// The frames that the session was opened for.
    geometry: Geometry,
    masks: MaskCombiner,
    /// The values of [`Run::epoch`] and [`Run::requeues`] for the frames that the sessions hold.
    epoch: u64,
    requeues: u64,
}

enum Step {
    Job(Job),
    /// The frames that the sessions hold are void.
    Restart,
    /// Upstream cannot go on: this queue beside the element is full, or an element without one
    /// blocks.
    Stalled(Option<gst::Element>),
}

impl Worker {
    fn new(cx: Context) -> Self {
        Self {
            cx,
            engine: None,
            device: None,
            fallback: Fallback::default(),
            geometry: Geometry::default(),
            masks: MaskCombiner::default(),
            epoch: 0,
            requeues: 0,
        }
    }

    fn run(mut self) {
        while let Some(step) = self.next_step() {
            let result = catch_unwind(AssertUnwindSafe(|| self.do_step(step)))
                .unwrap_or_else(|panic| Err(Failure::from_panic(panic)));
            match result {
                Ok(()) => {}
                // Whoever cancelled has voided the work.
                Err(Failure::Session(Error::Cancelled)) => self.restart(),
                Err(Failure::Session(error)) if self.is_device_error(&error) => {
                    self.device_failed(&error);
                }
                Err(failure) => self.fail(&failure),
            }
        }
    }

    /// Waits for something to do; `None` ends the thread.
    fn next_step(&mut self) -> Option<Step> {
        let mut state = self.cx.state.lock();
        loop {
            let run = &mut state.run;
            if run.stopping {
                run.working = false;
                return None;
            }
            if !self.is_current(run) {
                (self.epoch, self.requeues) = (run.epoch, run.requeues);
                run.working = true;
                return Some(Step::Restart);
            }
            let room = run.queue.ready() < READY || run.may_be_late();
            if run.accepts().is_ok() && !run.seeking && room {
                let job = run.queue.next_job();
                // Events that were passed may go out, and there is room for another frame.
                self.cx.state.notify();
                if let Some(job) = job {
                    run.working = true;
                    return Some(Step::Job(job));
                }
            }
            if std::mem::take(&mut run.working) {
                run.note_progress();
            }
            match stall::silent_too_long_at(run) {
                Some(at) if at <= Instant::now() => {
                    let detected = MutexGuard::unlocked(&mut state, || stall::detect(&self.cx));
                    if let Some(queue) = detected {
                        state.run.working = true;
                        return Some(Step::Stalled(queue));
                    }
                    state.run.note_progress();
                }
                Some(at) => self.cx.state.wait_until(&mut state, at),
                None => self.cx.state.wait(&mut state),
            }
        }
    }

    fn do_step(&mut self, step: Step) -> Result<(), Failure> {
        match step {
            Step::Restart => {
                self.restart();
                Ok(())
            }
            Step::Job(Job::Drain) => {
                self.drain_engine()?;
                self.drain_fallback()?;
                self.restart();
                Ok(())
            }
            Step::Job(Job::Frame(task)) => self.frame(task),
            Step::Stalled(queue) => match stall::relieve(&self.cx, queue.as_ref()) {
                Remedy::Wait => Ok(()),
                Remedy::Hold(frames) => self.hold_at_most(frames),
            },
        }
    }

    /// Holds at most this number of frames for later frames from now on, and lets at least one go.
    fn hold_at_most(&mut self, frames: usize) -> Result<(), Failure> {
        self.drain_fallback()?;
        let Some(engine) = self.engine.as_mut().filter(|engine| !engine.is_empty()) else {
            return Ok(());
        };
        let done = engine.limit_latency(frames.max(1));
        self.report_session();
        let done = done?;
        if done.is_empty() {
            self.drain_engine()?;
        }
        self.publish(done, Outcome::Engine);
        latency::update_expected(&self.cx);
        Ok(())
    }

    fn restart(&mut self) {
        if let Some(engine) = &mut self.engine {
            engine.flush();
        }
        self.fallback.flush();
    }

    fn drain_fallback(&mut self) -> Result<(), Failure> {
        let done = self.fallback.drain()?;
        self.publish(done, Outcome::Fallback);
        Ok(())
    }

    /// Puts the outcomes of frames into the queue, unless the frames are void meanwhile.
    fn publish(&self, done: Vec<(u64, InpaintedFrame)>, outcome: fn(InpaintedFrame) -> Outcome) {
        let decided = done.into_iter().map(|(id, done)| (id, outcome(done)));
        self.decide(decided);
    }

    fn decide(&self, outcomes: impl IntoIterator<Item = (u64, Outcome)>) {
        let mut state = self.cx.state.lock();
        if !self.is_current(&state.run) {
            return;
        }
        for (id, outcome) in outcomes {
            state.run.queue.decide(id, outcome);
        }
        drop(state);
        self.cx.state.notify();
    }

    /// Ends the stream. The message is posted first, so that it is the first one that the
    /// application sees.
    fn fail(&mut self, failure: &Failure) {
        self.engine = None;
        self.fallback = Fallback::default();
        if !self.is_current(&self.cx.state.lock().run) {
            return;
        }
        failures::post_failure(&self.cx.element, failure);
        let mut state = self.cx.state.lock();
        let run = &mut state.run;
        if self.is_current(run) {
            run.cancel = None;
            run.phase = Phase::Blocked(gst::FlowError::Error);
            let frames = run.queue.frames();
            run.queue.end(gst::event::Eos::new());
            run.counts.discarded += (frames - run.queue.frames()) as u64;
        }
        drop(state);
        self.cx.state.notify();
    }

    /// Returns whether the frames that the sessions hold are still wanted.
    fn is_current(&self, run: &Run) -> bool {
        run.is_at(self.epoch) && run.requeues == self.requeues
    }
}
