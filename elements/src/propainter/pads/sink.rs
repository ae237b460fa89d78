//! The sink pad: frames, events and queries into the line.

use std::{sync::Arc, time::Instant};

use gst::{EventView, FlowError, FlowSuccess, QueryViewMut, prelude::*, subclass::prelude::*};
use gst_video::{
    CAPS_FEATURE_FORMAT_INTERLACED, VideoBufferFlags, VideoInfo, VideoInterlaceMode, VideoMeta,
    prelude::*,
};

use crate::propainter::{
    imp::Propainter,
    log::CAT,
    masks::orientation::Turn,
    stream::{
        frame_rate,
        queue::Incoming,
        state::{QUEUE, State},
    },
    video::{converter::Converter, device, error::BadPicture, pool},
};

/// A longer pause between frames is taken for a gap.
const LONGEST: gst::ClockTime = gst::ClockTime::SECOND;

const INTERLACED: &str =
    "interlaced video cannot be inpainted; insert 'deinterlace' before propainter";

impl Propainter {
    pub(crate) fn sink_chain(&self, buffer: gst::Buffer) -> Result<FlowSuccess, FlowError> {
        let now = self.obj().current_running_time();
        let (converter, running_time, stream_time, index) = {
            let mut state = self.shared.lock();
            state.arrivals.begin(Instant::now());
            state.open()?;
            let converter = state.converter.clone().ok_or(FlowError::NotNegotiated)?;
            let times = (running_time(&state, &buffer), stream_time(&state, &buffer));
            (converter, times.0, times.1, next_index(&mut state, &buffer))
        };
        if buffer.video_flags().contains(VideoBufferFlags::INTERLACED) {
            self.post_bad_format(INTERLACED);
            return Err(FlowError::Error);
        }
        let bad = |problem: BadPicture| {
            self.post_bad_format(&problem.to_string());
            FlowError::Error
        };
        let picture = converter.read(&buffer).map_err(bad)?;
        let (converter, drawn) = self
            .own_masks(&buffer, &converter, stream_time, index)
            .map_err(bad)?;
        let fresh = buffer.flags().contains(gst::BufferFlags::DISCONT);

        let mut state = self.shared.lock();
        loop {
            state.open()?;
            let room = match state.may_be_late() {
                true => state.line.frames() < state.room(),
                false => state.line.waiting() < QUEUE,
            };
            if room {
                break;
            }
            self.shared.wait(&mut state);
        }
        let slower = note_time(&mut state, running_time);
        let arrival = state.note_arrival(running_time, now);
        let kept = state.room() + 2;
        state.counts.taken += 1;
        state.line.push_frame(Incoming {
            buffer: pool::keep(buffer, kept),
            picture: Some(picture),
            drawn,
            converter,
            running_time,
            counts_from: arrival.counts_from,
            fresh,
        });
        state.note_movement();
        state.arrivals.end(Instant::now());
        drop(state);
        self.shared.notify();
        if arrival.begins {
            self.warn_late_source();
        }
        if slower {
            self.publish_latency();
        }
        Ok(FlowSuccess::Ok)
    }

    pub(crate) fn sink_event(&self, event: gst::Event) -> Result<FlowSuccess, FlowError> {
        gst::log!(CAT, imp = self, "sink event {event:?}");
        match event.view() {
            EventView::FlushStart(_) => {
                self.flush_start(event);
                return Ok(FlowSuccess::Ok);
            }
            EventView::FlushStop(_) => {
                self.flush_stop(event);
                return Ok(FlowSuccess::Ok);
            }
            EventView::Caps(caps) => self.new_caps(caps.caps())?,
            EventView::StreamStart(_) => self.own.turn(Some(Turn::NONE)),
            EventView::Tag(tag) => self.own.turn(Turn::of_pad(&self.sink, tag.tag())),
            _ => {}
        }
        if !event.is_serialized() {
            return forwarded(self.src.push_event(event));
        }
        self.queue_event(event)
    }

    fn queue_event(&self, event: gst::Event) -> Result<FlowSuccess, FlowError> {
        let mut state = self.shared.lock();
        let starts = matches!(
            event.type_(),
            gst::EventType::StreamStart | gst::EventType::Segment
        );
        if starts && state.blocked == Some(FlowError::Eos) {
            state.blocked = None;
        }
        let open = state.open();
        if open == Err(FlowError::Flushing) {
            return Err(FlowError::Flushing);
        }
        if let Err(flow) = open {
            let is_eos = event.type_() == gst::EventType::Eos;
            drop(state);
            // No data follows that could tell upstream; our own errors are posted already.
            if is_eos && flow == FlowError::NotLinked {
                self.post_flow(flow);
            }
            if is_eos || !event.is_sticky() {
                return Err(flow);
            }
            state = self.shared.lock();
        }
        let drains = drains(&mut state, &event);
        state.line.push_event(event, drains);
        state.note_movement();
        drop(state);
        self.shared.notify();
        Ok(FlowSuccess::Ok)
    }

    /// Takes over caps that frames can be converted from.
    fn new_caps(&self, caps: &gst::CapsRef) -> Result<(), FlowError> {
        let refuse = |problem: &str| {
            self.shared.lock().converter = None;
            self.post_bad_format(problem);
            FlowError::NotNegotiated
        };
        let info = VideoInfo::from_caps(caps)
            .map_err(|_| refuse(&format!("caps that say no video format: {caps}")))?;
        let mode = info.interlace_mode();
        // Mixed streams say it frame by frame.
        if mode != VideoInterlaceMode::Progressive && mode != VideoInterlaceMode::Mixed {
            return Err(refuse(INTERLACED));
        }
        let converter = Converter::new(&info).and_then(|host| match device::copies(caps) {
            Some(copies) => host.on_device(copies),
            None => Some(host),
        });
        let converter = converter
            .ok_or_else(|| refuse(&format!("video format {} is not supported", info.format())))?;
        {
            let mut state = self.shared.lock();
            state.converter = Some(Arc::new(converter));
            (state.last_time, state.longest) = (None, gst::ClockTime::ZERO);
        }
        self.ask_upstream();
        self.promise();
        self.publish_latency();
        Ok(())
    }

    fn flush_start(&self, event: gst::Event) {
        {
            let mut state = self.shared.lock();
            state.flushing = true;
            state.abandon();
        }
        self.shared.notify();
        self.src.push_event(event);
        // Returns when the task is out of its function: nothing stale is pushed later.
        let _ = self.src.pause_task();
    }

    fn flush_stop(&self, event: gst::Event) {
        self.src.push_event(event);
        let mut state = self.shared.lock();
        let sticky = state.clear_line();
        state.segment = None;
        state.blocked = None;
        state.answer = None;
        state.earliest = None;
        state.last_time = None;
        state.arrivals.interrupt();
        drop(state);
        for event in sticky {
            let _ = self.src.store_sticky_event(&event);
        }
        self.start_source();
    }

    pub(crate) fn sink_query(&self, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            // No template has fields of their own. They are let in, to be refused with a
            // message that says what to do.
            QueryViewMut::AcceptCaps(accept) if has_fields(accept.caps()) => {
                accept.set_result(true);
                true
            }
            QueryViewMut::Allocation(allocation) => self.answer_allocation(allocation),
            QueryViewMut::Drain(_) => self
                .ask_in_line(gst::query::Drain::new().into())
                .is_some_and(|(_, answer)| answer),
            _ => gst::Pad::query_default(&self.sink, Some(&*self.obj()), query),
        }
    }

    /// Says how many buffers are kept, and passes on whether downstream takes any stride.
    /// No pool of downstream's is offered: it need not have as many buffers as are kept.
    fn answer_allocation(&self, query: &mut gst::query::Allocation<gst::QueryRef>) -> bool {
        let (Some(caps), _) = query.get_owned() else {
            return false;
        };
        let ask = gst::query::Allocation::new(Some(&caps), false);
        let seen = self.shared.lock().downstream_caps.as_ref() == Some(&caps);
        let answer = if seen {
            let mut ask = ask;
            let answered = self.src.peer_query(&mut ask);
            Some((ask.into(), answered))
        } else {
            self.ask_in_line(ask.into())
        };
        let Some((answer, answered)) = answer else {
            return false;
        };
        let strides = match answer.view() {
            gst::QueryView::Allocation(a) => a.find_allocation_meta::<VideoMeta>().is_some(),
            _ => false,
        };
        if answered && strides {
            query.add_allocation_meta::<VideoMeta>(None);
        }
        if let Ok(info) = VideoInfo::from_caps(&caps) {
            let kept = self.shared.lock().kept_buffers(info.size());
            let size = u32::try_from(info.size()).unwrap_or(u32::MAX);
            query.add_allocation_pool(None::<&gst::BufferPool>, size, kept as u32, 0);
        }
        true
    }

    /// Sends a serialised query down in its place among the frames and waits for the
    /// answer. What stands before it is drained, as no frame comes while upstream waits.
    fn ask_in_line(&self, query: gst::Query) -> Option<(gst::Query, bool)> {
        let mut state = self.shared.lock();
        state.open().ok()?;
        state.answer = None;
        state.line.push_query(query);
        self.shared.notify();
        loop {
            if let Some(answer) = state.answer.take() {
                return Some(answer);
            }
            state.open().ok()?;
            self.shared.wait(&mut state);
        }
    }
}

fn has_fields(caps: &gst::CapsRef) -> bool {
    let fields =
        |features: &gst::CapsFeaturesRef| features.contains(CAPS_FEATURE_FORMAT_INTERLACED);
    caps.features(0).is_some_and(fields)
}

fn forwarded(pushed: bool) -> Result<FlowSuccess, FlowError> {
    pushed.then_some(FlowSuccess::Ok).ok_or(FlowError::Error)
}

fn running_time(state: &State, buffer: &gst::BufferRef) -> Option<gst::ClockTime> {
    state.segment.as_ref()?.to_running_time(buffer.pts()?)
}

fn stream_time(state: &State, buffer: &gst::BufferRef) -> Option<gst::ClockTime> {
    state.segment.as_ref()?.to_stream_time(buffer.pts()?)
}

/// Notes when a frame comes. Whether frames last longer than was known so far, where caps
/// name no rate.
fn note_time(state: &mut State, time: Option<gst::ClockTime>) -> bool {
    let last = std::mem::replace(&mut state.last_time, time);
    let named = state.converter.as_ref().map(|c| c.info().fps());
    if frame_rate::frame_duration(named).is_some() {
        return false;
    }
    let lasted = time.zip(last).map_or(gst::ClockTime::ZERO, |(time, last)| {
        time.saturating_sub(last).min(LONGEST)
    });
    let slower = lasted > state.frame_duration();
    state.longest = state.longest.max(lasted);
    slower
}

/// The frame's number since the start or the last seek; in reverse by its time.
fn next_index(state: &mut State, buffer: &gst::BufferRef) -> u64 {
    let backwards = state
        .segment
        .as_ref()
        .is_some_and(|segment| segment.rate() < 0.0);
    if let Some(time) = stream_time(state, buffer).filter(|_| backwards) {
        return number_at(state, time);
    }
    let index = state.index;
    state.index = index.saturating_add(1);
    index
}

/// The number of the frame at a stream time.
fn number_at(state: &State, time: gst::ClockTime) -> u64 {
    let frame = state.frame_duration().nseconds().max(1);
    time.nseconds().saturating_add(frame / 2) / frame
}

/// Whether frames before the event cannot look past it; keeps track of the segment.
fn drains(state: &mut State, event: &gst::Event) -> bool {
    match event.view() {
        EventView::Segment(segment) => {
            let new = segment.segment().downcast_ref::<gst::ClockTime>().cloned();
            let start = |s: &gst::FormattedSegment<gst::ClockTime>| {
                (
                    s.start(),
                    s.time(),
                    s.base(),
                    s.offset(),
                    s.rate(),
                    s.applied_rate(),
                )
            };
            let changed = state.segment.as_ref().map(start) != new.as_ref().map(start);
            if changed {
                // Numbered masks follow a seek.
                let time = new.as_ref().and_then(|segment| segment.time());
                state.index = time.map_or(0, |time| number_at(state, time));
                state.last_time = None;
                state.earliest = None;
            }
            state.segment = new;
            changed
        }
        EventView::StreamStart(_)
        | EventView::Caps(_)
        | EventView::SegmentDone(_)
        | EventView::StreamGroupDone(_)
        | EventView::Gap(_)
        | EventView::Eos(_) => true,
        _ => false,
    }
}
