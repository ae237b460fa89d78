//! The engine's session: opened, drained, reported, and replaced after a failure of its device.

use std::sync::Arc;

use propainter::{Cancel, DeviceChoice, Error, OpenOptions, Session};

use super::Worker;
use crate::propainter::{
    bus::{failures, memory},
    error::Failure,
    log::CAT,
    properties::stats::SessionFacts,
    stream::{
        latency, overdue,
        queue::frame::{Geometry, Outcome},
        run::READY,
        tracked_session::TrackedSession,
    },
    video::device::frames::DeviceFrames,
};

impl Worker {
    /// Opens the session for such frames, unless it is open. Returns false if the frames are void
    /// meanwhile.
    pub(super) fn open(&mut self, geometry: Geometry) -> Result<bool, Failure> {
        if self.engine.is_some() && self.geometry == geometry {
            return Ok(true);
        }
        // The memory of the old one is freed first.
        self.engine = None;
        let (settings, live, cancel, warm) = {
            let mut state = self.cx.state.lock();
            let run = &mut state.run;
            (run.session.facts, run.session.plan) = (None, None);
            run.breaker.opening();
            while state.warming_up && self.is_current(&state.run) {
                self.cx.state.wait(&mut state);
            }
            if !self.is_current(&state.run) {
                return Ok(false);
            }
            let cancel = Cancel::default();
            let warm = state.warm.take();
            let run = &mut state.run;
            run.cancel = Some(cancel.clone());
            (run.settings.clone(), run.live, cancel, warm)
        };
        let mut config = settings.config(geometry.size, live)?;
        config.border = geometry.border;
        #[cfg(feature = "internals")]
        {
            config.limits.faults = self.cx.faults.lock().clone();
        }
        // The pixels outside the hole are in the buffers.
        config.whole = false;
        config.device = self.device.unwrap_or(config.device);
        let open = |read_there| {
            let mut config = config.clone();
            config.limits.outside = self.cx.state.lock().outside(read_there);
            let options = OpenOptions {
                cancel: cancel.clone(),
                warm: warm.as_deref(),
            };
            Session::open_with(config, options)
        };
        let mut read_there = config.frames_may_stay_on_device();
        let mut session = open(read_there);
        if read_there && matches!(session, Err(Error::Budget { .. })) {
            // There is no room for copies of the frames.
            read_there = false;
            session = open(false);
        }
        let session = session?;
        let facts = SessionFacts::of(&session);
        gst::info!(
            CAT,
            obj = self.cx.element,
            "{:?} at {}x{}, look-ahead {} frames",
            facts.model,
            facts.processing.0,
            facts.processing.1,
            facts.latency_frames
        );
        self.device = Some(session.device());
        let store = session.device_store().filter(|_| read_there);
        let frames = match (session.device(), store) {
            (DeviceChoice::Cuda(index), Some(store)) => DeviceFrames::new(store, index),
            _ => None,
        };
        let mut engine = TrackedSession::new(session);
        engine.frames = frames.map(Arc::new);
        let frames = engine.frames.as_ref().map(Arc::downgrade);
        (self.engine, self.geometry) = (Some(engine), geometry);
        self.report_session();
        let run = &mut self.cx.state.lock().run;
        run.session.frames = frames.unwrap_or_default();
        // Frames that came meanwhile are behind by the time that opening took; one window later
        // the engine has caught up, or it is too slow.
        let behind = (run.latency_frames() + run.session.expected.hop) as u64;
        let next = run.queue.next_id();
        run.breaker.opened(next + behind);
        Ok(true)
    }

    /// Finishes all frames that the engine holds, as downstream takes them.
    pub(super) fn drain_engine(&mut self) -> Result<(), Failure> {
        while self
            .engine
            .as_ref()
            .is_some_and(|engine| !engine.is_empty())
            && self.wait_for_room()
        {
            let Some(engine) = &mut self.engine else {
                break;
            };
            engine.session.set_time_limit(overdue::time_limit(&self.cx));
            let done = engine.drain_some();
            self.report_session();
            let done = done?;
            if done.is_empty() {
                let problem = "the session kept frames when it was drained";
                return Err(Failure::Internal(problem.to_owned()));
            }
            // If frames are left, the next call tells why.
            self.publish(done, Outcome::Engine);
        }
        Ok(())
    }

    /// Waits until downstream has taken enough frames. Returns false if the frames that are held
    /// are void meanwhile.
    fn wait_for_room(&self) -> bool {
        let mut state = self.cx.state.lock();
        while self.is_current(&state.run) {
            if state.run.queue.ready() < READY || state.run.may_be_late() {
                return true;
            }
            self.cx.state.wait(&mut state);
        }
        false
    }

    /// Publishes what the session says of itself and what it has decided.
    pub(super) fn report_session(&mut self) {
        let Some(TrackedSession { session, .. }) = &mut self.engine else {
            return;
        };
        let notices = session.notices();
        let before = {
            let info = &mut self.cx.state.lock().run.session;
            info.plan = session.plan();
            info.stats = session.stats();
            info.facts.replace(SessionFacts::of(session))
        };
        let tier = session.stats().memory.effort.tier;
        if let Some(before) = before.map(|facts| facts.memory.effort.tier)
            && before != tier
        {
            let (before, tier) = (before.name(), tier.name());
            gst::debug!(CAT, obj = self.cx.element, "effort: {before} -> {tier}");
        }
        for notice in notices {
            memory::post_notice(&self.cx.element, notice);
        }
        latency::publish(&self.cx);
    }

    /// Returns whether the device may recover from an error. A file rather ends with an error
    /// than go on without the networks when memory runs out.
    pub(super) fn is_device_error(&self, error: &Error) -> bool {
        let may_be_late = || self.cx.state.lock().run.may_be_late();
        match error {
            Error::Compute { .. } => true,
            Error::DeviceLost { .. } => self.device.is_some(),
            Error::OutOfMemory { .. } if self.engine.is_some() => may_be_late(),
            Error::Device { .. } | Error::Budget { .. } | Error::OutOfMemory { .. } => {
                self.device.is_some() && self.engine.is_none()
            }
            _ => false,
        }
    }

    /// Goes on with the fallback after a failure of the device, which is tried again later.
    pub(super) fn device_failed(&mut self, error: &Error) {
        self.engine = None;
        let failures = {
            let run = &mut self.cx.state.lock().run;
            if !self.is_current(run) {
                return;
            }
            run.cancel = None;
            run.counts.device_failures += 1;
            run.queue.requeue();
            match error {
                Error::DeviceLost { .. } => {
                    run.breaker.give_up();
                    None
                }
                _ => run.breaker.failed(),
            }
        };
        self.fallback.flush();
        failures::warn_device(&self.cx.element, error, failures);
        self.cx.state.notify();
    }
}
