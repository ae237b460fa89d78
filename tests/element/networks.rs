//! With the networks at work, which take long: nobody waits for them who need not.

use gst::{ClockTime, EventType, prelude::*};
use gst_video::{VideoFormat, VideoInfo};
use propainter_tests::golden::weights_folder;

use super::support::*;

/// An element in the middle of a computation, or `None` where the golden
/// weights are absent.
fn computing(info: &VideoInfo) -> Option<(gst::Element, gst_check::Harness)> {
    let weights = weights_folder()?;
    let element = element();
    element.set_property_from_str("model", "propainter");
    element.set_property("weights", weights.to_str().expect("UTF-8"));
    element.set_property("mask-regions", regions(&[[8, 8, 40, 40]]));
    let bus = bus(&element);
    let mut harness = harness(&element, info);
    for i in 0..6 {
        harness.push(frame(info, i)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    bus.timed_pop_filtered(ClockTime::from_seconds(60), &[gst::MessageType::Latency])
        .expect("the session is open");
    Some((element, harness))
}

#[test]
fn null_ends_a_computation() {
    let info = info(VideoFormat::I420, 64, 64);
    let Some((element, harness)) = computing(&info) else {
        return;
    };
    let recorder = Recorder::on(&src_pad(&element));
    element.set_state(gst::State::Null).unwrap();
    assert!(!recorder.so_far().contains(&Seen::Event(EventType::Eos)));
    drop(harness);
    // Messages hold the element too.
    element.set_bus(None);
    let weak = element.downgrade();
    drop(element);
    assert!(weak.upgrade().is_none(), "the worker has ended");
}

#[test]
fn a_flush_ends_a_computation_and_the_next_stream_starts() {
    let info = info(VideoFormat::I420, 64, 64);
    let Some((element, mut harness)) = computing(&info) else {
        return;
    };
    harness.push_event(gst::event::FlushStart::new());
    harness.push_event(gst::event::FlushStop::new(true));
    while harness.try_pull().is_some() {}
    let recorder = Recorder::on(&src_pad(&element));
    let segment = gst::FormattedSegment::<ClockTime>::new();
    harness.push_event(gst::event::Segment::new(&segment));
    harness.push(frame(&info, 3)).unwrap();
    harness.push_event(gst::event::Eos::new());
    let seen = recorder.until(&Seen::Event(EventType::Eos));
    assert_eq!(frames(&seen), [3]);
    assert_ne!(bytes(&harness.pull().unwrap()), noise(info.size(), 4));
}
