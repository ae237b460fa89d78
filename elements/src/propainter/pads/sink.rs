//! The sink pad: it appends frames, events and queries to the output queue.

use std::{sync::Arc, time::Instant};

use gst::{EventView, FlowError, FlowSuccess, prelude::*};
use gst_video::{VideoBufferFlags, VideoInfo, VideoInterlaceMode, prelude::*};

use crate::propainter::{
    bus::{
        failures::{post_bad_format, post_flow_error},
        masks::post_diagnostics,
        overload::warn_late_source,
    },
    log::CAT,
    masks::{
        orientation::Orientation,
        per_frame::{CollectedMasks, IncomingFrame},
    },
    pads::{latency_query, proxy, task},
    stream::{
        context::Context,
        latency::{publish, update_expected},
        queue::frame::InputFrame,
        run::{Phase, QUEUE, Run},
        upstream::frame_rate,
    },
    video::{
        canvas::Canvas, converter::Converter, device, layout::error::InvalidBuffer, pool,
        reading::Reading,
    },
};

/// A longer time between frames is a gap, not a frame's duration.
const LONGEST: gst::ClockTime = gst::ClockTime::SECOND;

const INTERLACED: &str =
    "interlaced video cannot be inpainted; insert 'deinterlace' before propainter";

/// Takes a frame and appends it to the queue. Waits until there is room for it.
///
/// # Errors
/// The buffer is no frame that can be inpainted, or the stream is flushing or blocked.
pub fn chain(cx: &Context, buffer: gst::Buffer) -> Result<FlowSuccess, FlowError> {
    let now = cx.element.current_running_time();
    let (converter, canvas, kept, running_time, stream_time, index, context, place) = {
        let run = &mut cx.state.lock().run;
        run.input.arrivals.begin(Instant::now());
        run.accepts()?;
        let converter = run.input.converter.clone();
        let converter = converter.ok_or(FlowError::NotNegotiated)?;
        let times = (running_time(run, &buffer), stream_time(run, &buffer));
        let (kept, canvas) = (run.capacity() + 2, run.input.canvas.clone());
        let index = next_index(run, &buffer);
        let context = is_context(run, index);
        let session = &run.session;
        let waits = session.may_read_there && session.facts.is_none();
        let place = (session.frames.upgrade(), waits);
        (
            converter, canvas, kept, times.0, times.1, index, context, place,
        )
    };
    if buffer.video_flags().contains(VideoBufferFlags::INTERLACED) {
        post_bad_format(&cx.element, INTERLACED);
        return Err(FlowError::Error);
    }
    let bad = |problem: InvalidBuffer| {
        post_bad_format(&cx.element, &problem.to_string());
        FlowError::Error
    };
    // Before a device reads it: what is not kept goes back to its pool.
    let buffer = pool::keep(buffer, kept);
    let reading = match &place {
        (Some(frames), _) => Reading::begin_on_device(&converter, &buffer, frames),
        (None, true) => Ok(Reading::Later),
        (None, false) => Reading::begin(&converter, &buffer),
    };
    let reading = reading.map_err(bad)?;
    let incoming = IncomingFrame {
        buffer: &buffer,
        reading: &reading,
        converter: &converter,
        stream_time,
        index,
    };
    let collected = cx
        .mask_sources
        .collect(&cx.element, &cx.settings, &incoming);
    let CollectedMasks {
        converter,
        masks,
        diagnostics,
    } = collected.map_err(bad)?;
    post_diagnostics(&cx.element, diagnostics);
    let discont = buffer.flags().contains(gst::BufferFlags::DISCONT);

    let mut state = cx.state.lock();
    loop {
        let run = &state.run;
        run.accepts()?;
        let room = match run.may_be_late() {
            true => run.queue.frames() < run.capacity(),
            false => run.queue.waiting() < QUEUE,
        };
        if room {
            break;
        }
        cx.state.wait(&mut state);
    }
    let run = &mut state.run;
    let slower = note_time(run, running_time);
    let arrival = run.note_arrival(running_time, now);
    run.counts.taken += 1;
    run.queue.push_frame(InputFrame {
        buffer,
        frame: reading.begun(),
        masks,
        converter,
        canvas,
        running_time,
        stay_from: arrival.stay_from,
        discont,
        context,
    });
    run.note_progress();
    run.input.arrivals.end(Instant::now());
    let delay = run.input.lateness.delay;
    drop(state);
    cx.state.notify();
    if arrival.begins {
        warn_late_source(&cx.element, delay);
    }
    if slower {
        publish(cx);
    }
    Ok(FlowSuccess::Ok)
}

/// Handles an event: serialised ones are queued.
///
/// # Errors
/// The event is refused.
pub fn event(cx: &Context, mut event: gst::Event) -> Result<FlowSuccess, FlowError> {
    gst::log!(CAT, obj = cx.element, "sink event {event:?}");
    match event.view() {
        EventView::FlushStart(_) => {
            flush_start(cx, event);
            return Ok(FlowSuccess::Ok);
        }
        EventView::FlushStop(_) => {
            flush_stop(cx, event);
            return Ok(FlowSuccess::Ok);
        }
        EventView::Caps(caps) => {
            if let Some(canvas) = set_caps(cx, caps.caps())? {
                let seqnum = event.seqnum();
                event = gst::event::Caps::builder(canvas.caps())
                    .seqnum(seqnum)
                    .build();
            }
        }
        EventView::StreamStart(_) => cx.mask_sources.set_orientation(Some(Orientation::IDENTITY)),
        EventView::Tag(tag) => {
            let orientation = Orientation::of_pad(&cx.sink, tag.tag());
            cx.mask_sources.set_orientation(orientation);
        }
        _ => {}
    }
    if !event.is_serialized() {
        return forwarded(cx.src.push_event(event));
    }
    queue_event(cx, event)
}

fn queue_event(cx: &Context, event: gst::Event) -> Result<FlowSuccess, FlowError> {
    let mut state = cx.state.lock();
    let starts = matches!(
        event.type_(),
        gst::EventType::StreamStart | gst::EventType::Segment
    );
    if starts {
        state.run.unblock(FlowError::Eos);
    }
    if let Err(flow) = state.run.accepts() {
        if flow == FlowError::Flushing {
            return Err(FlowError::Flushing);
        }
        let is_eos = event.type_() == gst::EventType::Eos;
        drop(state);
        // No data follows that could tell upstream; our own errors are posted already.
        if is_eos && flow == FlowError::NotLinked {
            post_flow_error(&cx.element, flow);
        }
        if is_eos || !event.is_sticky() {
            return Err(flow);
        }
        state = cx.state.lock();
    }
    let run = &mut state.run;
    let barrier = is_barrier(run, &event);
    run.queue.push_event(event, barrier);
    run.note_progress();
    drop(state);
    cx.state.notify();
    Ok(FlowSuccess::Ok)
}

/// Accepts caps whose frames can be converted. Returns the canvas if a border is added.
fn set_caps(cx: &Context, caps: &gst::CapsRef) -> Result<Option<Arc<Canvas>>, FlowError> {
    let refuse = |problem: &str| {
        cx.state.lock().run.input.converter = None;
        post_bad_format(&cx.element, problem);
        FlowError::NotNegotiated
    };
    let info = VideoInfo::from_caps(caps)
        .map_err(|_| refuse(&format!("the caps do not describe raw video: {caps}")))?;
    let mode = info.interlace_mode();
    // In mixed streams each buffer says whether it is interlaced.
    if mode != VideoInterlaceMode::Progressive && mode != VideoInterlaceMode::Mixed {
        return Err(refuse(INTERLACED));
    }
    let converter = Converter::new(&info).and_then(|host| match device::transfer(caps) {
        Some(transfer) => host.with_device(transfer),
        None => Some(host),
    });
    let converter = converter
        .ok_or_else(|| refuse(&format!("video format {} is not supported", info.format())))?;
    let border = proxy::border(cx);
    let canvas = (!border.is_empty()).then(|| Canvas::new(caps, &converter, border).map(Arc::new));
    let canvas = canvas.transpose().map_err(|problem| refuse(&problem))?;
    {
        let input = &mut cx.state.lock().run.input;
        input.converter = Some(Arc::new(converter));
        input.canvas = canvas.clone();
        (input.last_time, input.longest) = (None, gst::ClockTime::ZERO);
    }
    latency_query::ask_upstream(cx);
    update_expected(cx);
    publish(cx);
    Ok(canvas)
}

fn flush_start(cx: &Context, event: gst::Event) {
    {
        let run = &mut cx.state.lock().run;
        if run.phase != Phase::Inactive {
            run.phase = Phase::Flushing;
        }
        run.invalidate();
    }
    cx.state.notify();
    cx.src.push_event(event);
    // This returns when the task has left its function: nothing stale is pushed later.
    let _ = cx.src.pause_task();
}

fn flush_stop(cx: &Context, event: gst::Event) {
    cx.src.push_event(event);
    let sticky = {
        let run = &mut cx.state.lock().run;
        let sticky = run.clear_queue();
        run.answer = None;
        run.earliest = None;
        run.input.segment = None;
        run.input.last_time = None;
        run.input.arrivals.interrupt();
        sticky
    };
    for event in sticky {
        let _ = cx.src.store_sticky_event(&event);
    }
    task::start(cx);
}

fn forwarded(pushed: bool) -> Result<FlowSuccess, FlowError> {
    pushed.then_some(FlowSuccess::Ok).ok_or(FlowError::Error)
}

fn running_time(run: &Run, buffer: &gst::BufferRef) -> Option<gst::ClockTime> {
    run.input.segment.as_ref()?.to_running_time(buffer.pts()?)
}

fn stream_time(run: &Run, buffer: &gst::BufferRef) -> Option<gst::ClockTime> {
    run.input.segment.as_ref()?.to_stream_time(buffer.pts()?)
}

/// Notes the time of a frame. Returns whether frames last longer than was known so far, if the
/// caps name no rate.
fn note_time(run: &mut Run, time: Option<gst::ClockTime>) -> bool {
    let last = std::mem::replace(&mut run.input.last_time, time);
    let named = run.input.converter.as_ref().map(|c| c.info().fps());
    if frame_rate::frame_duration(named).is_some() {
        return false;
    }
    let lasted = time.zip(last).map_or(gst::ClockTime::ZERO, |(time, last)| {
        time.saturating_sub(last).min(LONGEST)
    });
    let slower = lasted > run.frame_duration();
    run.input.longest = run.input.longest.max(lasted);
    slower
}

/// Returns whether a frame is only the context of the part of a clip that is sent.
fn is_context(run: &Run, index: u64) -> bool {
    let segment = run.settings.segment().ok().flatten();
    segment.is_some_and(|segment| !segment.keep.contains(&(index as usize)))
}

/// Returns the number of a frame since the start or the last seek; in reverse playback by its time.
fn next_index(run: &mut Run, buffer: &gst::BufferRef) -> u64 {
    let backwards = run
        .input
        .segment
        .as_ref()
        .is_some_and(|segment| segment.rate() < 0.0);
    if let Some(time) = stream_time(run, buffer).filter(|_| backwards) {
        return number_at(run, time);
    }
    let index = run.input.next_index;
    run.input.next_index = index.saturating_add(1);
    index
}

/// Returns the number of the frame at a stream time.
fn number_at(run: &Run, time: gst::ClockTime) -> u64 {
    let frame = run.frame_duration().nseconds().max(1);
    time.nseconds().saturating_add(frame / 2) / frame
}

/// Returns whether an event is a barrier, and keeps track of the segment.
fn is_barrier(run: &mut Run, event: &gst::Event) -> bool {
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
            let changed = run.input.segment.as_ref().map(start) != new.as_ref().map(start);
            if changed {
                // Numbered masks follow a seek.
                let time = new.as_ref().and_then(|segment| segment.time());
                let part = run.settings.segment().ok().flatten();
                run.input.next_index = match part {
                    Some(part) => part.read.start as u64,
                    None => time.map_or(0, |time| number_at(run, time)),
                };
                run.input.last_time = None;
                run.earliest = None;
            }
            run.input.segment = new;
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
