//! With the networks at work, which take long: nobody waits for them who need not.

use gst::{ClockTime, EventType, prelude::*};
use gst_video::{VideoFormat, VideoInfo};
use propainter_tests::golden::weights_folder;

use super::{live::*, support::*};

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

/// A live stream of 32x16 through the networks, two frames ahead.
fn live() -> Option<Live> {
    let weights = weights_folder()?;
    let element = element();
    element.set_property_from_str("model", "propainter");
    element.set_property("weights", weights.to_str().expect("UTF-8"));
    element.set_property("lookahead", 2u32);
    element.set_property("subvideo-length", 6u32);
    element.set_property("neighbor-length", 4u32);
    element.set_property("ref-stride", 2u32);
    element.set_property("raft-iterations", 1u32);
    Some(Live::new(element))
}

#[test]
fn live_networks_slide_within_the_latency_that_was_answered() {
    let Some(mut live) = live() else {
        return;
    };
    // Two ahead, a hop of two, and a hop for computing.
    assert_eq!(live.latency(), FRAME * (2 + 2 - 1 + 2));
    for _ in 0..12 {
        live.frame();
    }
    let stats = live.accounts();
    assert_eq!(stats.get("model"), Ok("propainter".to_owned()));
    assert_eq!(stats.get("late"), Ok(0u64));
    assert!(stats.get::<u64>("inpainted").unwrap() >= 12 - 3, "{stats}");
    for i in 0..12 - 3 {
        let out = live.harness.pull().unwrap();
        assert_eq!(number(&out), i);
        assert!(!live.is_untouched(&out));
    }
}

#[test]
fn frames_without_a_hole_cost_no_network() {
    let Some(mut live) = live() else {
        return;
    };
    live.element.set_property("mask-regions", regions(&[]));
    for _ in 0..12 {
        live.frame();
    }
    let stats = live.accounts();
    assert_eq!(stats.get("computing-time"), Ok(0u64));
    assert!(stats.get::<u64>("untouched").unwrap() >= 12 - 3, "{stats}");
    while let Some(out) = live.harness.try_pull() {
        assert!(live.is_untouched(&out));
    }
    live.element
        .set_property("mask-regions", regions(&[[8, 4, 6, 6]]));
    for _ in 0..6 {
        live.frame();
    }
    let stats = live.accounts();
    assert!(stats.get::<u64>("computing-time").unwrap() > 0);
    assert!(stats.get::<u64>("inpainted").unwrap() > 0, "{stats}");
}

#[test]
fn slow_networks_are_stood_in_for_by_the_weights_free_engine() {
    let Some(mut live) = live() else {
        return;
    };
    live.load.set(FRAME * 3);
    let mut stood_in = false;
    for _ in 0..40 {
        live.frame();
        stood_in |= live.stats().get("standing-in") == Ok(true);
    }
    let stats = live.accounts();
    assert!(stood_in, "{stats}");
    // More than were late: a stand-in worked.
    let count = |name| stats.get::<u64>(name).unwrap();
    assert!(count("filled") > count("late"), "{stats}");
    while let Some(out) = live.harness.try_pull() {
        assert!(!live.is_untouched(&out));
    }
    live.load.set(FRAME / 4);
    for _ in 0..120 {
        live.frame();
    }
    let stats = live.accounts();
    assert_eq!(stats.get("standing-in"), Ok(false), "{stats}");
    assert_eq!(stats.get("overload-episodes"), Ok(1u64));
}
