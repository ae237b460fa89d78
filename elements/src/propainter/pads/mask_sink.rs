//! The pad `mask_sink`: GRAY8 video whose frames are masks.

use std::time::Instant;

use gst::{EventView, FlowError, FlowSuccess, prelude::*};
use gst_video::VideoInfo;

use crate::propainter::{
    bus::{failures::post_bad_format, masks::post_diagnostics},
    log::CAT,
    masks::{diagnostics::MaskOrigin, orientation::Orientation},
    stream::context::Context,
};

/// Takes a mask, and waits until there is room for it.
///
/// # Errors
/// The buffer is no mask, or the pad is flushing.
pub fn chain(
    cx: &Context,
    pad: &gst::Pad,
    buffer: &gst::BufferRef,
) -> Result<FlowSuccess, FlowError> {
    let caps = pad.current_caps().ok_or(FlowError::NotNegotiated)?;
    let info = VideoInfo::from_caps(&caps).map_err(|_| FlowError::NotNegotiated)?;
    let read = cx.mask_sources.reader.lock().read(&info, buffer);
    // The threshold is applied for each frame that gets the mask.
    let (mask, diagnostics) = read.map_err(|problem| {
        post_bad_format(&cx.element, &problem.to_string());
        FlowError::Error
    })?;
    post_diagnostics(&cx.element, diagnostics);
    let start = buffer.pts().and_then(|pts| running_time(pad, pts));
    let mut state = cx.state.lock();
    state.run.masks.arrivals.begin(Instant::now());
    loop {
        if state.run.masks.flushing || state.run.stopping {
            return Err(FlowError::Flushing);
        }
        if state.run.masks.stream.has_room() {
            break;
        }
        cx.state.wait(&mut state);
    }
    let masks = &mut state.run.masks;
    masks.stream.push(mask, start, buffer.duration());
    masks.arrivals.end(Instant::now());
    drop(state);
    cx.state.notify();
    Ok(FlowSuccess::Ok)
}

/// Activates or deactivates the pad.
///
/// # Errors
/// The mode is not push.
pub fn activate(cx: &Context, mode: gst::PadMode, active: bool) -> Result<(), gst::LoggableError> {
    if mode != gst::PadMode::Push {
        return Err(gst::loggable_error!(CAT, "masks can only be pushed"));
    }
    cx.state.lock().run.masks.flushing = !active;
    cx.state.notify();
    Ok(())
}

/// Notes that the pad was unlinked: the last mask stays.
pub fn unlinked(cx: &Context) {
    cx.state.lock().run.masks.stream.end();
    cx.state.notify();
}

/// Handles an event. No event of this pad goes downstream.
pub fn event(cx: &Context, pad: &gst::Pad, event: &gst::Event) -> bool {
    gst::log!(CAT, obj = cx.element, "mask event {event:?}");
    match event.view() {
        EventView::StreamStart(start) => {
            let another = cx.mask_sources.reader.lock().start(start.stream_id());
            if another {
                cx.mask_sources.begin(MaskOrigin::Stream);
            }
        }
        EventView::Tag(tag) => {
            if let Some(orientation) = Orientation::of_pad(pad, tag.tag()) {
                cx.mask_sources.reader.lock().orientation = orientation;
            }
        }
        _ => {}
    }
    let gap_end = match event.view() {
        EventView::Gap(gap) => {
            let (start, duration) = gap.get();
            running_time(pad, start.saturating_add(duration.unwrap_or_default()))
        }
        _ => None,
    };
    {
        let masks = &mut cx.state.lock().run.masks;
        match event.view() {
            EventView::FlushStart(_) => masks.flushing = true,
            EventView::FlushStop(_) => {
                masks.flushing = false;
                masks.stream.flush();
                masks.arrivals.interrupt();
            }
            EventView::StreamStart(_) | EventView::Segment(_) => masks.stream.resume(),
            EventView::Gap(_) => {
                if let Some(end) = gap_end {
                    masks.stream.advance(end);
                }
            }
            EventView::Eos(_) => masks.stream.end(),
            _ => {}
        }
    }
    cx.state.notify();
    true
}

fn running_time(pad: &gst::Pad, time: gst::ClockTime) -> Option<gst::ClockTime> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = segment.segment().downcast_ref::<gst::ClockTime>()?;
    segment.to_running_time(time)
}
