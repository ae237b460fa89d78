//! Flushes, back-pressure, and what downstream answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use gst::{ClockTime, EventType, FlowError, FlowSuccess, prelude::*};
use gst_video::{VideoFormat, VideoInfo};

use crate::element::support::*;

fn i420() -> VideoInfo {
    info(VideoFormat::I420, 32, 16)
}

/// Pushes frames from a thread of its own until one is refused, which is the result.
fn push_until_refused(
    pad: &gst::Pad,
    info: &VideoInfo,
    first: u64,
) -> thread::JoinHandle<FlowError> {
    let (pad, info) = (pad.clone(), info.clone());
    thread::spawn(move || {
        (first..first + 10_000)
            .find_map(|i| pad.push(frame(&info, i)).err())
            .expect("10,000 frames went in and none came out")
    })
}

#[test]
fn a_flush_ends_a_blocked_stream_and_the_next_one_starts_clean() {
    let element = element();
    // The worker is in the middle of a frame: it waits for a mask that does not come.
    let masks = MaskSource::new(&element, 32, 16);
    let info = i420();
    let mut harness = harness(&element, &info);
    let recorder = Recorder::on(&src_pad(&element));
    let source = harness.srcpad().unwrap();
    for round in 0..5 {
        let pushing = push_until_refused(&source, &info, 1000 * round);
        harness.push_event(gst::event::FlushStart::new());
        assert_eq!(pushing.join().unwrap(), FlowError::Flushing);
        harness.push_event(gst::event::FlushStop::new(true));
        let segment = gst::FormattedSegment::<ClockTime>::new();
        harness.push_event(gst::event::Segment::new(&segment));
    }
    drop(masks);
    recorder.forget();
    for i in 0..9 {
        harness.push(frame(&info, i)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    let seen = recorder.until(&Seen::Event(EventType::Eos));
    assert_eq!(frames(&seen), (0..9).collect::<Vec<_>>());
}

#[test]
fn sticky_events_outlive_a_flush() {
    let element = element();
    let masks = MaskSource::new(&element, 32, 16);
    let info = i420();
    let mut harness = harness(&element, &info);
    harness.push(frame(&info, 0)).unwrap();
    // Stands behind a frame that will never go out.
    let caps = i420().to_caps().unwrap();
    let mut other = caps.copy();
    other.make_mut().set("framerate", gst::Fraction::new(50, 1));
    harness.push_event(gst::event::Caps::new(&other));
    harness.push_event(gst::event::FlushStart::new());
    harness.push_event(gst::event::FlushStop::new(true));
    drop(masks);
    let segment = gst::FormattedSegment::<ClockTime>::new();
    harness.push_event(gst::event::Segment::new(&segment));
    harness.push(frame(&info, 0)).unwrap();
    harness.push_event(gst::event::Eos::new());
    harness.pull().unwrap();
    let current = harness.sinkpad().unwrap().current_caps().unwrap();
    assert_eq!(current, other);
}

/// A sink pad whose chain function gives `answer`.
fn refusing(
    answer: impl Fn(u64) -> Result<FlowSuccess, FlowError> + Send + Sync + 'static,
) -> gst::Pad {
    let pad = gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(move |_, _, buffer| answer(number(&buffer)))
        .event_function(|_, _, _| true)
        .build();
    pad.set_active(true).unwrap();
    pad
}

/// A source pad that has said what a stream says before its frames.
fn source(element: &gst::Element, info: &VideoInfo) -> gst::Pad {
    let pad = gst::Pad::builder(gst::PadDirection::Src).build();
    pad.set_active(true).unwrap();
    pad.link(&element.static_pad("sink").unwrap()).unwrap();
    start(&pad, info);
    pad
}

fn start(pad: &gst::Pad, info: &VideoInfo) {
    pad.push_event(gst::event::StreamStart::new("video"));
    pad.push_event(gst::event::Caps::new(&info.to_caps().unwrap()));
    let segment = gst::FormattedSegment::<ClockTime>::new();
    pad.push_event(gst::event::Segment::new(&segment));
}

#[test]
fn what_downstream_answers_reaches_upstream() {
    for answer in [
        FlowError::NotLinked,
        FlowError::Eos,
        FlowError::Flushing,
        FlowError::Error,
        FlowError::NotNegotiated,
    ] {
        let element = element();
        let sink = refusing(move |number| {
            if number < 3 {
                Ok(FlowSuccess::Ok)
            } else {
                Err(answer)
            }
        });
        src_pad(&element).link(&sink).unwrap();
        element.set_state(gst::State::Playing).unwrap();
        let source = source(&element, &i420());
        let pushing = push_until_refused(&source, &i420(), 0);
        assert_eq!(pushing.join().unwrap(), answer);
        element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn an_unlinked_source_pad_is_not_linked_until_it_is() {
    let element = element();
    element.set_state(gst::State::Playing).unwrap();
    let source = source(&element, &i420());
    let pushing = push_until_refused(&source, &i420(), 0);
    assert_eq!(pushing.join().unwrap(), FlowError::NotLinked);
    let sink = refusing(|_| Ok(FlowSuccess::Ok));
    let recorder = Recorder::on(&sink);
    src_pad(&element).link(&sink).unwrap();
    sink.push_event(gst::event::Reconfigure::new());
    for i in 0..3 {
        source.push(frame(&i420(), i)).unwrap();
    }
    source.push_event(gst::event::Eos::new());
    let seen = recorder.until(&Seen::Event(EventType::Eos));
    assert_eq!(frames(&seen), [0, 1, 2]);
    element.set_state(gst::State::Null).unwrap();
}

/// Downstream gives `answer` to the last frame, when upstream has ended already; it sees the
/// end all the same. The element's bus.
fn answered_after_the_end(answer: FlowError) -> gst::Bus {
    let element = element();
    let bus = bus(&element);
    let go = Arc::new(AtomicBool::new(false));
    let gate = go.clone();
    let sink = refusing(move |_| {
        while !gate.load(Ordering::Acquire) {
            thread::yield_now();
        }
        Err(answer)
    });
    let recorder = Recorder::on(&sink);
    src_pad(&element).link(&sink).unwrap();
    element.set_state(gst::State::Playing).unwrap();
    let source = source(&element, &i420());
    source.push(frame(&i420(), 0)).unwrap();
    source.push_event(gst::event::Eos::new());
    go.store(true, Ordering::Release);
    recorder.until(&Seen::Event(EventType::Eos));
    element.set_state(gst::State::Null).unwrap();
    bus
}

#[test]
fn a_refusal_that_no_frame_can_report_is_an_error_message() {
    let (_, kind) = error(&answered_after_the_end(FlowError::Error));
    assert!(kind.matches(gst::StreamError::Failed));
}

#[test]
fn an_end_from_downstream_after_upstreams_still_ends_the_stream() {
    let bus = answered_after_the_end(FlowError::Eos);
    assert!(bus.pop_filtered(&[gst::MessageType::Error]).is_none());
}

#[test]
fn after_an_end_from_downstream_a_new_stream_flows_again() {
    let element = element();
    let ended = Arc::new(AtomicBool::new(true));
    let gate = ended.clone();
    let sink = refusing(move |_| {
        if gate.load(Ordering::Acquire) {
            Err(FlowError::Eos)
        } else {
            Ok(FlowSuccess::Ok)
        }
    });
    src_pad(&element).link(&sink).unwrap();
    element.set_state(gst::State::Playing).unwrap();
    let source = source(&element, &i420());
    let pushing = push_until_refused(&source, &i420(), 0);
    assert_eq!(pushing.join().unwrap(), FlowError::Eos);
    ended.store(false, Ordering::Release);
    let recorder = Recorder::on(&sink);
    start(&source, &i420());
    source.push(frame(&i420(), 5)).unwrap();
    source.push_event(gst::event::Eos::new());
    let seen = recorder.until(&Seen::Event(EventType::Eos));
    assert_eq!(frames(&seen), [5]);
    element.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_slow_downstream_holds_the_stream_and_loses_nothing() {
    let element = element();
    let sink = gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(|_, _, _| {
            thread::yield_now();
            Ok(FlowSuccess::Ok)
        })
        .event_function(|_, _, _| true)
        .build();
    sink.set_active(true).unwrap();
    let recorder = Recorder::on(&sink);
    src_pad(&element).link(&sink).unwrap();
    element.set_state(gst::State::Playing).unwrap();
    let source = source(&element, &i420());
    for i in 0..300 {
        source.push(frame(&i420(), i)).unwrap();
        let held: gst::Structure = element.property("stats");
        let look_ahead = element.property::<u64>("latency") / FRAME.nseconds();
        let held = u64::from(held.get::<u32>("held").unwrap());
        assert!(held <= look_ahead.max(100) + 10, "{held} frames held");
    }
    source.push_event(gst::event::Eos::new());
    let seen = recorder.until(&Seen::Event(EventType::Eos));
    assert_eq!(frames(&seen), (0..300).collect::<Vec<_>>());
    element.set_state(gst::State::Null).unwrap();
}
