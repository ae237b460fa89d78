//! The thread that owns the session.
//!
//! It walks along the line, opens the session at the first frame, and puts what became final
//! back into the line. The lock is never held while the session works. While the engine is
//! relieved (`duty.rs`) a stand-in does its work (`stand_in.rs`).

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

use gst::{ClockTime, prelude::*, subclass::prelude::*};
use parking_lot::MutexGuard;
use propainter::{Cancel, DeviceChoice, Error, Frame, Mask, OpenOptions, Session};

use super::{
    alarm::Alarm,
    duty::Who,
    gray::Gray,
    imp::{CAT, Propainter},
    line::{Fate, Job, Task},
    mask_stream::Pick,
    masks::Masks,
    messages::Failure,
    seat::{Final, Seat},
    stall::Remedy,
    stand_in::StandIn,
    state::{Facts, READY, State},
};

/// Starts the worker of an element. It ends when the state says `stopping`.
///
/// # Errors
/// The system has no thread to give.
pub fn spawn(element: super::Propainter) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("propainter".to_owned())
        .spawn(move || Worker::new(element.imp()).run())
}

struct Worker<'a> {
    imp: &'a Propainter,
    engine: Option<Seat>,
    /// Of the session that was opened first: it is opened on the same one again, and what
    /// keeps it from that is the device's fault.
    device: Option<DeviceChoice>,
    stand_in: StandIn,
    /// Of the frames the session was opened for.
    size: (usize, usize),
    masks: Masks,
    /// Of the frames the sessions hold.
    epoch: u64,
    relieved: u64,
}

enum Step {
    Job(Job),
    /// What the sessions hold is void.
    Restart,
    /// Upstream cannot go on: a queue beside the element is full, or an element without one.
    Stalled(Option<gst::Element>),
}

impl<'a> Worker<'a> {
    fn new(imp: &'a Propainter) -> Self {
        Self {
            imp,
            engine: None,
            device: None,
            stand_in: StandIn::default(),
            size: (0, 0),
            masks: Masks::default(),
            epoch: 0,
            relieved: 0,
        }
    }

    fn run(mut self) {
        while let Some(step) = self.next() {
            let result = catch_unwind(AssertUnwindSafe(|| self.do_step(step)))
                .unwrap_or_else(|panic| Err(Failure::from_panic(panic)));
            match result {
                Ok(()) => {}
                // Whoever cancelled has made void what was being done.
                Err(Failure::Session(Error::Cancelled)) => self.restart(),
                Err(Failure::Session(error)) if self.is_the_devices(&error) => {
                    self.device_failed(&error);
                }
                Err(failure) => self.fail(&failure),
            }
        }
    }

    /// Waits for something to do. `None` ends the thread.
    fn next(&mut self) -> Option<Step> {
        let shared = &self.imp.shared;
        let mut state = shared.lock();
        loop {
            if state.stopping {
                state.working = false;
                return None;
            }
            if !self.is_current(&state) {
                (self.epoch, self.relieved) = (state.epoch, state.relieved);
                state.working = true;
                return Some(Step::Restart);
            }
            let room = state.line.ready() < READY || state.may_be_late();
            if state.open().is_ok() && !state.seeking && room {
                let job = state.line.take();
                // Events that were passed may go out, and a frame less waits.
                shared.notify();
                if let Some(job) = job {
                    state.working = true;
                    return Some(Step::Job(job));
                }
            }
            if std::mem::take(&mut state.working) {
                state.note_movement();
            }
            match state.silent_too_long_at() {
                Some(at) if at <= Instant::now() => {
                    let imp = self.imp;
                    if let Some(queue) = MutexGuard::unlocked(&mut state, || imp.stall()) {
                        state.working = true;
                        return Some(Step::Stalled(queue));
                    }
                    state.note_movement();
                }
                Some(at) => shared.wait_until(&mut state, at),
                None => shared.wait(&mut state),
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
                self.drain_stand_in()?;
                self.restart();
                Ok(())
            }
            Step::Job(Job::Frame(task)) => self.frame(task),
            Step::Stalled(queue) => match self.imp.relieve_stall(queue.as_ref()) {
                Remedy::Wait => Ok(()),
                Remedy::Hold(frames) => self.hold(frames),
            },
        }
    }

    /// Holds no more than so many frames for their future from now on, and lets one go at least.
    fn hold(&mut self, frames: usize) -> Result<(), Failure> {
        self.drain_stand_in()?;
        let Some(seat) = self.engine.as_mut().filter(|seat| !seat.is_empty()) else {
            return Ok(());
        };
        let done = seat.limit_latency(frames.max(1));
        self.look();
        let done = done?;
        if done.is_empty() {
            self.drain_engine()?;
        }
        self.finish(done, Fate::Engine);
        self.imp.promise();
        Ok(())
    }

    fn restart(&mut self) {
        if let Some(seat) = &mut self.engine {
            seat.flush();
        }
        self.stand_in.flush();
    }

    fn drain_engine(&mut self) -> Result<(), Failure> {
        while self.engine.as_ref().is_some_and(|seat| !seat.is_empty()) && self.has_room() {
            let Some(seat) = &mut self.engine else {
                break;
            };
            let done = seat.drain_some();
            self.look();
            let done = done?;
            if done.is_empty() {
                let problem = "the session kept frames when it was drained";
                return Err(Failure::Internal(problem.to_owned()));
            }
            // Where frames are left, the next call tells why.
            self.finish(done, Fate::Engine);
        }
        Ok(())
    }

    /// Waits until downstream has taken enough. False where what is held is void meanwhile.
    fn has_room(&self) -> bool {
        let shared = &self.imp.shared;
        let mut state = shared.lock();
        while self.is_current(&state) {
            if state.line.ready() < READY || state.may_be_late() {
                return true;
            }
            shared.wait(&mut state);
        }
        false
    }

    fn drain_stand_in(&mut self) -> Result<(), Failure> {
        let done = self.stand_in.drain()?;
        self.finish(done, Fate::StandIn);
        Ok(())
    }

    fn frame(&mut self, mut task: Task) -> Result<(), Failure> {
        let size = task.size;
        let Some(mask) = self.mask(size, &task)? else {
            return Ok(());
        };
        let (who, policy) = {
            let mut state = self.imp.shared.lock();
            if !self.is_current(&state) {
                return Ok(());
            }
            state.line.set_mask(task.id, &mask);
            state.last_mask = Some(mask.clone());
            let who = state.duty.next(task.id);
            // Where the device is at fault there is no hurry, and no other policy to follow.
            let failed = state.duty.has_failed();
            (who, (!failed).then(|| state.late_policy()))
        };
        if who == Who::Engine {
            self.drain_stand_in()?;
            if !self.open(size)? {
                return Ok(());
            }
            let Some(picture) = self.picture(&mut task)? else {
                return Ok(());
            };
            let Some(seat) = &mut self.engine else {
                return Ok(());
            };
            let done = seat.push(task.id, picture, &mask);
            self.look();
            self.finish(done?, Fate::Engine);
            return Ok(());
        }
        let (settings, look_ahead) = {
            let state = self.imp.shared.lock();
            (state.settings.clone(), state.look_ahead())
        };
        if let Some(fate) = StandIn::fate(policy) {
            // The policy may have been another one.
            self.drain_stand_in()?;
            let mut state = self.imp.shared.lock();
            if self.is_current(&state) {
                state.line.finish(task.id, fate);
            }
            drop(state);
            self.imp.shared.notify();
            return Ok(());
        }
        let cancel = self.stand_in.prepare(&settings, size, look_ahead)?;
        {
            let mut state = self.imp.shared.lock();
            if !self.is_current(&state) {
                return Ok(());
            }
            state.stand_in = cancel;
        }
        let Some(picture) = self.picture(&mut task)? else {
            return Ok(());
        };
        let done = self.stand_in.push(task.id, picture, &mask)?;
        self.finish(done, Fate::StandIn);
        Ok(())
    }

    /// A frame's picture; `None` where the frame is gone meanwhile.
    fn picture(&self, task: &mut Task) -> Result<Option<Frame>, Failure> {
        if let Some(picture) = task.picture.take() {
            return Ok(Some(picture));
        }
        let Some(mut frame) = self.imp.shared.lock().line.incoming(task.id) else {
            return Ok(None);
        };
        let picture = frame.picture();
        picture
            .map(Some)
            .map_err(|problem| Failure::Internal(problem.to_string()))
    }

    /// A frame's mask; `None` where the frame is void meanwhile.
    fn mask(&mut self, size: (usize, usize), task: &Task) -> Result<Option<Arc<Mask>>, Failure> {
        if let Some(mask) = &task.mask {
            return Ok(Some(mask.clone()));
        }
        let times = (task.running_time, task.counts_from);
        let Some(streamed) = self.streamed_mask(times) else {
            return Ok(None);
        };
        let hole = self.masks.hole(size, &task.drawn, streamed.as_ref())?;
        self.imp.note_masks(&hole.seen);
        Ok(Some(hole.mask))
    }

    /// Waits for the mask from `mask_sink`. `None`: the frame is void meanwhile.
    fn streamed_mask(
        &self,
        (running_time, counts_from): (Option<ClockTime>, Option<ClockTime>),
    ) -> Option<Option<Arc<Gray>>> {
        let shared = &self.imp.shared;
        let mut alarm = Alarm::default();
        let mut since = Instant::now();
        let mut state = shared.lock();
        loop {
            // Not under the lock: who unlinks the pad holds the pad's own and asks for ours.
            let pad = state.mask_pad.clone();
            let is_linked = |pad: &gst::Pad| pad.is_linked();
            let linked = MutexGuard::unlocked(&mut state, || pad.as_ref().is_some_and(is_linked));
            if !self.is_current(&state) {
                return None;
            }
            if !linked {
                state.masks.end();
            }
            if !state.seeking {
                let pick = state.masks.pick(running_time);
                // A mask that is used up makes room.
                shared.notify();
                match pick {
                    Pick::Mask(mask) => return Some(Some(mask)),
                    Pick::None => return Some(None),
                    Pick::Wait => {}
                }
                // A frame that may be late does not wait for masks that are.
                let clocked = state.live && state.playing && state.may_be_late();
                if let Some((time, from)) = running_time.zip(counts_from).filter(|_| clocked) {
                    let wait = state.upstream.saturating_add(state.frame_duration());
                    let due = from.saturating_add(wait);
                    if self.imp.has_passed(due) {
                        return Some(state.masks.latest(time));
                    }
                    alarm.set(self.imp, due.saturating_add(ClockTime::from_nseconds(1)));
                    shared.wait(&mut state);
                    continue;
                }
                let patience = state.mask_arrivals.patience(state.frame_duration().into());
                let silent = since.elapsed();
                if silent >= patience {
                    let imp = self.imp;
                    MutexGuard::unlocked(&mut state, || {
                        imp.masks_have_gone_quiet(pad.as_ref(), silent)
                    });
                    since = Instant::now();
                    continue;
                }
                shared.wait_until(&mut state, since + patience);
                continue;
            }
            shared.wait(&mut state);
        }
    }

    /// Opens the session for frames of this size, unless it is open. False where the frames
    /// are void meanwhile.
    fn open(&mut self, size: (usize, usize)) -> Result<bool, Failure> {
        if self.engine.is_some() && self.size == size {
            return Ok(true);
        }
        // The old one's memory goes first.
        self.engine = None;
        let (settings, live, cancel, warm) = {
            let mut state = self.imp.shared.lock();
            (state.facts, state.plan) = (None, None);
            state.duty.opening();
            while state.warming && self.is_current(&state) {
                self.imp.shared.wait(&mut state);
            }
            if !self.is_current(&state) {
                return Ok(false);
            }
            let cancel = Cancel::default();
            state.cancel = Some(cancel.clone());
            let settings = state.settings.clone();
            (settings, state.live, cancel, state.warm.take())
        };
        let mut config = settings.config(size, live)?;
        config.limits.faults = self.imp.faults();
        config.limits.outside = self.imp.shared.lock().outside();
        // What is outside the holes is in the buffers.
        config.whole = false;
        config.device = self.device.unwrap_or(config.device);
        let session = Session::open_with(
            config,
            OpenOptions {
                cancel,
                warm: warm.as_deref(),
            },
        )?;
        let facts = Facts::of(&session);
        gst::info!(
            CAT,
            imp = self.imp,
            "{:?} at {}x{}, look-ahead {} frames",
            facts.model,
            facts.processing.0,
            facts.processing.1,
            facts.look_ahead
        );
        self.device = Some(session.device());
        (self.engine, self.size) = (Some(Seat::new(session)), size);
        self.look();
        let mut state = self.imp.shared.lock();
        // Frames that came meanwhile are behind by what that took; a window later the engine
        // has caught up, or is too slow.
        let behind = (state.look_ahead() + state.promise.hop) as u64;
        let next = state.line.next_id();
        state.duty.opened(next + behind);
        Ok(true)
    }

    /// Makes known what the session says of itself and what it decided.
    fn look(&mut self) {
        let Some(Seat { session, .. }) = &mut self.engine else {
            return;
        };
        let notices = session.notices();
        {
            let mut state = self.imp.shared.lock();
            state.facts = Some(Facts::of(session));
            state.plan = session.plan();
            state.session = session.stats();
        }
        for notice in notices {
            self.imp.post_notice(notice);
        }
        self.imp.publish_latency();
    }

    fn finish(&self, finals: Vec<Final>, fate: fn(propainter::Done) -> Fate) {
        let mut state = self.imp.shared.lock();
        if !self.is_current(&state) {
            return;
        }
        for (id, done) in finals {
            state.line.finish(id, fate(done));
        }
        drop(state);
        self.imp.shared.notify();
    }

    /// Whether an error is one that a device may recover from. A file is rather not finished
    /// than finished without the networks for want of memory.
    fn is_the_devices(&self, error: &Error) -> bool {
        let live = || self.imp.shared.lock().may_be_late();
        match error {
            Error::Compute { .. } => true,
            Error::OutOfMemory { .. } if self.engine.is_some() => live(),
            Error::Device { .. } | Error::Budget { .. } | Error::OutOfMemory { .. } => {
                self.device.is_some() && self.engine.is_none()
            }
            _ => false,
        }
    }

    /// The stream goes on with a stand-in, and the device is tried again.
    fn device_failed(&mut self, error: &Error) {
        self.engine = None;
        let failures = {
            let mut state = self.imp.shared.lock();
            if !self.is_current(&state) {
                return;
            }
            state.cancel = None;
            state.counts.device_failures += 1;
            state.line.recall();
            state.duty.failed()
        };
        self.stand_in.flush();
        self.imp.warn_device(error, failures);
        self.imp.shared.notify();
    }

    /// Ends the stream: the message first, so that it is the first the application sees.
    fn fail(&mut self, failure: &Failure) {
        self.engine = None;
        self.stand_in = StandIn::default();
        if !self.is_current(&self.imp.shared.lock()) {
            return;
        }
        self.imp.post_failure(failure);
        let mut state = self.imp.shared.lock();
        if self.is_current(&state) {
            state.cancel = None;
            state.blocked = Some(gst::FlowError::Error);
            let frames = state.line.frames();
            state.line.end(gst::event::Eos::new());
            state.counts.discarded += (frames - state.line.frames()) as u64;
        }
        drop(state);
        self.imp.shared.notify();
    }

    fn is_current(&self, state: &State) -> bool {
        state.is_at(self.epoch) && state.relieved == self.relieved
    }
}
