//! The source pad: what is ready out of the line, in order.

use gst::{ClockTime, EventView, FlowError, QueryViewMut, prelude::*, subclass::prelude::*};

use crate::propainter::{
    imp::Propainter,
    log::CAT,
    qos::clock_wakeup::Alarm,
    stream::{
        overdue::Overdue,
        queue::{Fate, Incoming, Out},
        state::Counts,
    },
};

/// What the source pad's task does next.
enum Next {
    Out(Out),
    Overdue(Overdue),
}

impl Propainter {
    pub(crate) fn src_activate(&self, active: bool) -> Result<(), gst::LoggableError> {
        if active {
            self.shared.lock().active = true;
            self.start_source();
            return Ok(());
        }
        {
            let mut state = self.shared.lock();
            state.active = false;
            state.flushing = true;
            state.abandon();
        }
        self.shared.notify();
        self.src
            .stop_task()
            .map_err(|_| gst::loggable_error!(CAT, "the source pad's task does not stop"))?;
        self.shared.lock().clear_line();
        Ok(())
    }

    /// Ends a flush, if the source pad is active.
    pub(crate) fn start_source(&self) {
        let mut state = self.shared.lock();
        if state.active {
            state.flushing = false;
            state.blocked = None;
            let element = self.obj().downgrade();
            // Under the lock, so that a deactivation cannot come between and be undone.
            let started = self.src.start_task(move || {
                if let Some(element) = element.upgrade() {
                    let this = element.imp();
                    // A panic is posted as an error; the task would only meet it again.
                    let stop = || drop(this.src.pause_task());
                    this.catch_panic(stop, Self::src_step);
                }
            });
            if started.is_err() {
                gst::error!(CAT, imp = self, "the source pad's task does not start");
            }
        }
        drop(state);
        self.shared.notify();
    }

    /// Sends one thing out.
    fn src_step(&self) {
        let (next, epoch) = {
            let mut alarm = Alarm::default();
            let mut state = self.shared.lock();
            loop {
                if state.flushing {
                    drop(state);
                    let _ = self.src.pause_task();
                    return;
                }
                if let Some(out) = state.line.pop() {
                    state.sending = matches!(out, Out::Frame { .. });
                    break (Next::Out(out), state.epoch);
                }
                if let Some(deadline) = self.deadline(&state) {
                    if self.has_passed(deadline)
                        && let Some(overdue) = self.take_overdue(&mut state, deadline)
                    {
                        state.sending = true;
                        break (Next::Overdue(overdue), state.epoch);
                    }
                    alarm.set(self, deadline.saturating_add(ClockTime::from_nseconds(1)));
                }
                self.shared.wait(&mut state);
            }
        };
        self.shared.notify();
        match next {
            Next::Overdue(overdue) => {
                let fate = self.decide(&overdue);
                self.send_frame(overdue.frame, fate, epoch);
            }
            Next::Out(Out::Frame { frame, fate }) => {
                if matches!(fate, Fate::PassedThrough | Fate::Dropped) {
                    self.post_qos(&frame, ClockTime::ZERO);
                }
                self.send_frame(frame, fate, epoch);
            }
            Next::Out(Out::Event(event)) => self.send_event(event),
            Next::Out(Out::Query(mut query)) => {
                let answer = self.src.peer_query(query.make_mut());
                let mut state = self.shared.lock();
                if state.is_at(epoch) {
                    state.answer = Some((query, answer));
                }
                drop(state);
                self.shared.notify();
            }
        }
    }

    fn send_frame(&self, frame: Incoming, fate: Fate, epoch: u64) {
        let by_engine = matches!(fate, Fate::Engine(_));
        let sent = self.send(frame, fate);
        {
            let mut state = self.shared.lock();
            state.sending = false;
            state.note_movement();
            let counts = &mut state.counts;
            *match sent {
                Ok(count) => count(counts),
                Err(_) => &mut counts.discarded,
            } += 1;
        }
        // The worker may have to see to it that more comes.
        self.shared.notify();
        match sent {
            Ok(_) if by_engine => self.was_in_time(),
            Ok(_) => {}
            Err(flow) => self.refused(flow, epoch),
        }
    }

    /// Sends a frame by its fate; what it is to be counted as.
    fn send(&self, frame: Incoming, fate: Fate) -> Result<fn(&mut Counts) -> &mut u64, FlowError> {
        let Incoming {
            mut buffer,
            converter,
            ..
        } = frame;
        let (done, filled): (_, fn(&mut Counts) -> &mut u64) = match fate {
            Fate::Dropped => {
                self.shared.lock().gap = true;
                return Ok(|counts| &mut counts.dropped);
            }
            Fate::PassedThrough => (None, |counts| &mut counts.passed_through),
            Fate::Engine(done) | Fate::StandIn(done) if done.hole.is_empty() => {
                (None, |counts| &mut counts.untouched)
            }
            Fate::Engine(done) => (Some(done), |counts| &mut counts.inpainted),
            Fate::StandIn(done) => (Some(done), |counts| &mut counts.filled),
        };
        if let Some(done) = done {
            let written = converter.write(buffer.make_mut(), &done);
            written.map_err(|problem| {
                self.post_bad_format(&problem.to_string());
                FlowError::Error
            })?;
        }
        if std::mem::take(&mut self.shared.lock().gap) {
            buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
        }
        gst::trace!(CAT, imp = self, "pushing {buffer:?}");
        let pushed = self.src.push(buffer);
        pushed.inspect_err(|flow| gst::debug!(CAT, imp = self, "downstream says {flow:?}"))?;
        Ok(filled)
    }

    fn send_event(&self, event: gst::Event) {
        gst::log!(CAT, imp = self, "pushing {event:?}");
        let caps = match event.view() {
            EventView::Caps(caps) => Some(caps.caps_owned()),
            EventView::Eos(_) => {
                self.end_masks();
                None
            }
            _ => None,
        };
        self.src.push_event(event);
        if caps.is_some() {
            self.shared.lock().downstream_caps = caps;
        }
    }

    /// Downstream takes no more: upstream is told at its next frame, and what is under way
    /// is dropped.
    fn refused(&self, flow: FlowError, epoch: u64) {
        let mut state = self.shared.lock();
        if !state.is_at(epoch) || state.blocked.is_some() {
            return;
        }
        state.blocked = Some(flow);
        state.abandon();
        let ended = state.line.has_eos();
        let sticky = state.clear_line();
        drop(state);
        self.shared.notify();
        for event in sticky {
            let _ = self.src.store_sticky_event(&event);
        }
        // After EOS no frame comes that could be answered.
        if ended && flow != FlowError::Flushing {
            if flow != FlowError::Eos {
                self.post_flow(flow);
            }
            self.src.push_event(gst::event::Eos::new());
        }
    }

    pub(crate) fn src_event(&self, event: gst::Event) -> bool {
        gst::log!(CAT, imp = self, "src event {event:?}");
        match event.view() {
            EventView::Seek(seek) => {
                let flushes = seek.get().1.contains(gst::SeekFlags::FLUSH);
                return self.seek(event, flushes);
            }
            EventView::Qos(qos) => {
                let (_, _, jitter, time) = qos.get();
                let mut state = self.shared.lock();
                // As the library's filters reckon: catch up twice what is lost. What came late
                // cannot be caught up.
                let late = u64::try_from(jitter).unwrap_or_default();
                let late = late.saturating_sub(state.lateness.delay.nseconds());
                state.earliest = time.filter(|_| late > 0).map(|time| {
                    time.saturating_add(ClockTime::from_nseconds(late.saturating_mul(2)))
                });
                drop(state);
                self.shared.notify();
            }
            EventView::Reconfigure(_) => {
                // Perhaps something is linked now.
                let mut state = self.shared.lock();
                if state.blocked == Some(FlowError::NotLinked) {
                    state.blocked = None;
                }
            }
            _ => {}
        }
        gst::Pad::event_default(&self.src, Some(&*self.obj()), event)
    }

    /// Masks seek first, so that no frame from after the seek meets a mask from before it;
    /// until the video has followed, no frame is given a mask.
    fn seek(&self, event: gst::Event, flushes: bool) -> bool {
        let mask_pad = {
            let mut state = self.shared.lock();
            state.seeking = flushes && state.mask_pad.is_some();
            state.mask_pad.clone()
        };
        if let Some(pad) = mask_pad
            && !pad.push_event(event.clone())
        {
            gst::debug!(CAT, imp = self, "the masks do not seek");
        }
        let done = self.sink.push_event(event);
        self.shared.lock().seeking = false;
        self.shared.notify();
        done
    }

    pub(crate) fn src_query(&self, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            QueryViewMut::Latency(latency) => self.answer_latency(latency),
            _ => gst::Pad::query_default(&self.src, Some(&*self.obj()), query),
        }
    }
}
