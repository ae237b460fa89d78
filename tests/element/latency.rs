//! What the element says of its delay.

use gst::{ClockTime, prelude::*};
use gst_video::VideoFormat;

use super::support::*;

#[test]
fn latency_is_posted_when_known_and_answered_on_top_of_upstreams() {
    let element = element();
    let bus = bus(&element);
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&element, &info);
    let upstream = ClockTime::from_mseconds(15);
    harness.set_upstream_latency(upstream);
    assert_eq!(harness.query_latency(), Some(upstream));
    harness.push(frame(&info, 0)).unwrap();
    bus.timed_pop_filtered(ClockTime::from_seconds(60), &[gst::MessageType::Latency])
        .expect("a LATENCY message");
    let own = ClockTime::from_nseconds(element.property("latency"));
    assert!(own > ClockTime::ZERO);
    assert_eq!(own % FRAME, ClockTime::ZERO, "a number of frames");
    assert_eq!(harness.query_latency(), Some(upstream + own));

    // No frame stays longer than that: with the look-ahead pushed, the first comes out.
    for i in 1..=own / FRAME {
        harness.push(frame(&info, i)).unwrap();
    }
    assert_eq!(number(&harness.pull().unwrap()), 0);
}

#[test]
fn the_most_that_can_be_kept_is_answered_too() {
    let element = element();
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&element, &info);
    harness.push(frame(&info, 0)).unwrap();
    harness.push_event(gst::event::Eos::new());
    harness.pull().unwrap();
    let mut query = gst::query::Latency::new();
    assert!(src_pad(&element).query(&mut query));
    let (live, min, max) = query.result();
    assert!(live);
    assert!(max.is_none_or(|max| max >= min), "{min} {max:?}");
}

#[test]
fn a_new_frame_rate_changes_the_latency() {
    let element = element();
    let bus = bus(&element);
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&element, &info);
    harness.push(frame(&info, 0)).unwrap();
    let minute = ClockTime::from_seconds(60);
    let known = |bus: &gst::Bus| {
        bus.timed_pop_filtered(minute, &[gst::MessageType::Latency])
            .expect("a LATENCY message");
        element.property::<u64>("latency")
    };
    let slow = known(&bus);
    let mut caps = info.to_caps().unwrap();
    caps.make_mut().set("framerate", gst::Fraction::new(50, 1));
    harness.push_event(gst::event::Caps::new(&caps));
    assert_eq!(known(&bus), slow / 2);
}

#[test]
fn stats_count_frames_and_name_the_engine() {
    let element = element();
    element.set_property("width", 24u32);
    element.set_property("height", 16u32);
    let info = info(VideoFormat::I420, 48, 32);
    let mut harness = harness(&element, &info);
    let recorder = Recorder::on(&src_pad(&element));
    for i in 0..12 {
        harness.push(frame(&info, i)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    recorder.until(&Seen::Event(gst::EventType::Eos));
    let stats: gst::Structure = element.property("stats");
    assert_eq!(stats.name(), "propainter-stats");
    assert_eq!(stats.get::<u64>("frames-in").unwrap(), 12);
    assert_eq!(stats.get::<u64>("frames-out").unwrap(), 12);
    assert_eq!(stats.get::<u32>("held").unwrap(), 0);
    assert_eq!(stats.get::<&str>("model").unwrap(), "propagation");
    assert_eq!(stats.get::<u32>("processing-width").unwrap(), 24);
    assert_eq!(stats.get::<u32>("processing-height").unwrap(), 16);
    assert!(stats.get::<u64>("busy-time").unwrap() > 0);
    assert!(stats.get::<f64>("fps").unwrap() > 0.0);
}
