//! The thread that owns the session.
//!
//! It walks along the line, opens the session at the first frame, and puts what became final
//! back into the line. The lock is never held while the session works.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
};

use gst::{ClockTime, prelude::*, subclass::prelude::*};
use propainter::{Done, Error, Frame, Session};

use super::{
    gray::Gray,
    imp::{CAT, Propainter},
    line::Job,
    mask_stream::Pick,
    masks::{FrameMasks, Masks},
    messages::Failure,
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
    session: Option<Session>,
    /// Of the frames the session was opened for.
    size: (usize, usize),
    masks: Masks,
    /// Of the frames the session holds.
    epoch: u64,
}

enum Step {
    Job(Job),
    /// What the session holds is void.
    Restart,
}

impl<'a> Worker<'a> {
    fn new(imp: &'a Propainter) -> Self {
        Self {
            imp,
            session: None,
            size: (0, 0),
            masks: Masks::default(),
            epoch: 0,
        }
    }

    fn run(mut self) {
        while let Some(step) = self.next() {
            let result = catch_unwind(AssertUnwindSafe(|| self.do_step(step)))
                .unwrap_or_else(|panic| Err(Failure::from_panic(panic)));
            match result {
                Ok(()) => {}
                // Whoever cancelled has made the epoch void.
                Err(Failure::Session(Error::Cancelled)) => self.restart(),
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
                return None;
            }
            if state.epoch != self.epoch {
                self.epoch = state.epoch;
                return Some(Step::Restart);
            }
            if state.open().is_ok() && !state.seeking && state.line.ready() < READY {
                let job = state.line.take();
                // Events that were passed may go out, and a frame less waits.
                shared.notify();
                if let Some(job) = job {
                    return Some(Step::Job(job));
                }
            }
            shared.wait(&mut state);
        }
    }

    fn do_step(&mut self, step: Step) -> Result<(), Failure> {
        match step {
            Step::Restart => {
                self.restart();
                Ok(())
            }
            Step::Job(Job::Drain) => self.drain(),
            Step::Job(Job::Frame {
                picture,
                drawn,
                running_time,
                index,
            }) => self.push(picture, &drawn, running_time, index),
        }
    }

    fn restart(&mut self) {
        if let Some(session) = &mut self.session {
            session.flush();
        }
    }

    fn drain(&mut self) -> Result<(), Failure> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        let done = session.drain();
        self.look();
        self.finish(done?)?;
        let left = {
            let state = self.imp.shared.lock();
            self.is_current(&state).then(|| state.line.computing())
        };
        self.restart();
        match left {
            Some(left @ 1..) => Err(Failure::Internal(format!(
                "the session kept {left} frames when it was drained"
            ))),
            _ => Ok(()),
        }
    }

    fn push(
        &mut self,
        picture: Frame,
        drawn: &FrameMasks,
        running_time: Option<ClockTime>,
        index: u64,
    ) -> Result<(), Failure> {
        let size = (picture.width(), picture.height());
        self.open(size)?;
        let Some(streamed) = self.streamed_mask(running_time) else {
            return Ok(());
        };
        let hole = self.masks.hole(size, index, drawn, streamed.as_ref())?;
        if let Some(warning) = &hole.warning {
            self.imp.warn_mask(warning);
        }
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        if !self.imp.shared.lock().is_at(self.epoch) {
            return Ok(());
        }
        let done = session.push(picture, &hole.mask);
        self.look();
        self.finish(done?)
    }

    /// Opens the session for frames of this size, unless it is open.
    fn open(&mut self, size: (usize, usize)) -> Result<(), Failure> {
        if self.session.is_some() && self.size == size {
            return Ok(());
        }
        // The old one's memory goes first.
        self.session = None;
        let settings = {
            let mut state = self.imp.shared.lock();
            (state.cancel, state.facts, state.plan) = (None, None, None);
            state.settings.clone()
        };
        let session = Session::open(settings.config(size.0, size.1)?)?;
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
        self.imp.shared.lock().cancel = Some(session.cancel_token());
        (self.session, self.size) = (Some(session), size);
        self.look();
        Ok(())
    }

    /// Makes known what the session says of itself and what it decided.
    fn look(&mut self) {
        let Some(session) = &mut self.session else {
            return;
        };
        let notices = session.notices();
        {
            let mut state = self.imp.shared.lock();
            state.facts = Some(Facts::of(session));
            state.plan = session.plan();
            state.busy = session.stats().busy;
        }
        for notice in notices {
            self.imp.post_notice(notice);
        }
        self.imp.publish_latency();
    }

    /// Waits for the mask from `mask_sink`. `None`: the frame is void meanwhile.
    fn streamed_mask(&self, running_time: Option<ClockTime>) -> Option<Option<Arc<Gray>>> {
        let shared = &self.imp.shared;
        let mut state = shared.lock();
        loop {
            if !self.is_current(&state) {
                return None;
            }
            let linked = state.mask_pad.as_ref().is_some_and(|pad| pad.is_linked());
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
            }
            shared.wait(&mut state);
        }
    }

    fn finish(&mut self, done: Vec<Done>) -> Result<(), Failure> {
        let mut state = self.imp.shared.lock();
        if !self.is_current(&state) {
            return Ok(());
        }
        for done in done {
            if !state.line.finish(done) {
                return Err(Failure::Internal(
                    "the session gave more frames than it got".to_owned(),
                ));
            }
        }
        drop(state);
        self.imp.shared.notify();
        Ok(())
    }

    /// Ends the stream: the message first, so that it is the first the application sees.
    fn fail(&mut self, failure: &Failure) {
        self.session = None;
        if !self.imp.shared.lock().is_at(self.epoch) {
            return;
        }
        self.imp.post_failure(failure);
        let mut state = self.imp.shared.lock();
        if self.is_current(&state) {
            state.cancel = None;
            state.blocked = Some(gst::FlowError::Error);
            state.line.end(gst::event::Eos::new());
        }
        drop(state);
        self.imp.shared.notify();
    }

    fn is_current(&self, state: &State) -> bool {
        state.is_at(self.epoch)
    }
}
