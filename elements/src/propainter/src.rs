//! The source pad: what is ready out of the line, in order.

use gst::{EventView, FlowError, QueryViewMut, prelude::*, subclass::prelude::*};
use propainter::Done;

use super::{
    formats::Converter,
    imp::{CAT, Propainter},
    line::Out,
};

impl Propainter {
    pub(super) fn src_activate(&self, active: bool) -> Result<(), gst::LoggableError> {
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
        self.shared.lock().line.clear();
        Ok(())
    }

    /// Ends a flush, if the source pad is active.
    pub(super) fn start_source(&self) {
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
        let (out, epoch) = {
            let mut state = self.shared.lock();
            loop {
                if state.flushing {
                    drop(state);
                    let _ = self.src.pause_task();
                    return;
                }
                if let Some(out) = state.line.pop() {
                    break (out, state.epoch);
                }
                self.shared.wait(&mut state);
            }
        };
        self.shared.notify();
        match out {
            Out::Frame {
                buffer,
                converter,
                done,
            } => self.send_frame(buffer, &converter, &done, epoch),
            Out::Event(event) => self.send_event(event),
            Out::Query(mut query) => {
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

    fn send_frame(&self, mut buffer: gst::Buffer, converter: &Converter, done: &Done, epoch: u64) {
        if !done.hole.is_empty()
            && let Err(problem) = converter.write(buffer.make_mut(), done)
        {
            self.post_bad_format(&problem.to_string());
            self.refused(FlowError::Error, epoch);
            return;
        }
        gst::trace!(CAT, imp = self, "pushing {buffer:?}");
        match self.src.push(buffer) {
            Ok(_) => self.shared.lock().frames_out += 1,
            Err(flow) => {
                gst::debug!(CAT, imp = self, "downstream says {flow:?}");
                self.refused(flow, epoch);
            }
        }
    }

    fn send_event(&self, event: gst::Event) {
        gst::log!(CAT, imp = self, "pushing {event:?}");
        let caps = match event.view() {
            EventView::Caps(caps) => Some(caps.caps_owned()),
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
        let sticky = state.line.clear();
        drop(state);
        self.shared.notify();
        for event in sticky {
            let _ = self.src.store_sticky_event(&event);
        }
        // After EOS no frame comes that could be answered.
        if ended && !matches!(flow, FlowError::Flushing | FlowError::Eos) {
            self.post_flow(flow);
            self.src.push_event(gst::event::Eos::new());
        }
    }

    pub(super) fn src_event(&self, event: gst::Event) -> bool {
        gst::log!(CAT, imp = self, "src event {event:?}");
        match event.view() {
            EventView::Seek(seek) => {
                let flushes = seek.get().1.contains(gst::SeekFlags::FLUSH);
                return self.seek(event, flushes);
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

    pub(super) fn src_query(&self, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            QueryViewMut::Latency(latency) => self.answer_latency(latency),
            _ => gst::Pad::query_default(&self.src, Some(&*self.obj()), query),
        }
    }
}
