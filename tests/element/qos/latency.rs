//! What the element says of its delay.

use gst::{ClockTime, prelude::*};
use gst_video::VideoFormat;

use crate::element::{support::live::*, support::*};

#[test]
fn latency_is_known_from_caps_on_and_comes_on_top_of_upstreams() {
    let element = element();
    let bus = bus(&element);
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&element, &info);
    let upstream = ClockTime::from_mseconds(15);
    harness.set_upstream_latency(upstream);
    // No frame has come yet.
    bus.timed_pop_filtered(ClockTime::from_seconds(60), &[gst::MessageType::Latency])
        .expect("a LATENCY message");
    let own = ClockTime::from_nseconds(element.property("latency"));
    assert!(own > ClockTime::ZERO);
    assert_eq!(own % FRAME, ClockTime::ZERO, "a number of frames");
    assert_eq!(harness.query_latency(), Some(upstream + own));

    // No frame stays longer than that: with the look-ahead pushed, the first comes out.
    for i in 0..=own / FRAME {
        harness.push(frame(&info, i)).unwrap();
    }
    assert_eq!(number(&harness.pull().unwrap()), 0);
}

/// Streams frames as they come from a camera, into an engine that takes `load` for each, and
/// returns the longest that one stayed.
fn longest_stay(live: &mut Live, load: ClockTime, frames: u64) -> ClockTime {
    live.load.set(load);
    let (mut longest, mut next) = (ClockTime::ZERO, 0);
    while live.next < frames {
        live.frame();
        let (start, step) = (live.clock.time(), load.max(ClockTime::from_nseconds(1)));
        // What comes out before the next frame comes.
        for time in [start, start + step] {
            live.run_to(time);
            live.accounts();
            while let Some(out) = live.harness.try_pull() {
                assert_eq!(number(&out), next);
                next += 1;
                longest = longest.max(live.clock.time() - out.pts().unwrap());
            }
        }
    }
    longest
}

#[test]
fn the_latency_answered_is_the_longest_that_a_frame_stays() {
    for lookahead in [0u32, 1, 4, 10] {
        for load in [ClockTime::ZERO, FRAME / 2] {
            let element = element();
            element.set_property("lookahead", lookahead);
            element.set_property("processing-latency", load.nseconds());
            let mut live = Live::new(element);
            let stated = live.harness.query_latency().unwrap();
            assert_eq!(stated, live.latency());
            assert_eq!(stated, FRAME * u64::from(lookahead) + load);
            let stayed = longest_stay(&mut live, load, 60);
            assert_eq!(stayed, stated, "look-ahead {lookahead}, load {load}");
            assert_eq!(live.count("late"), 0);
            assert!(live.count("inpainted") >= 60 - u64::from(lookahead) - 1);
        }
    }
}

#[test]
fn masks_that_come_later_than_frames_count_as_upstreams_latency() {
    let element = element();
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&element, &info);
    harness.set_upstream_latency(ClockTime::from_mseconds(15));
    let own = ClockTime::from_nseconds(element.property("latency"));
    let masks = MaskSource::new(&element, 32, 16);
    let slow = ClockTime::from_mseconds(100);
    masks.set_latency(slow);
    assert_eq!(harness.query_latency(), Some(slow + own));
}

#[test]
fn settings_that_change_the_latency_while_playing_post_it() {
    let element = element();
    let bus = bus(&element);
    let info = info(VideoFormat::I420, 32, 16);
    let _harness = harness(&element, &info);
    let minute = ClockTime::from_seconds(60);
    let posted = |bus: &gst::Bus| {
        bus.timed_pop_filtered(minute, &[gst::MessageType::Latency])
            .expect("a LATENCY message");
        ClockTime::from_nseconds(element.property("latency"))
    };
    let first = posted(&bus);
    // A frame for computing is in it.
    element.set_property("processing-latency", (FRAME * 3).nseconds());
    assert_eq!(posted(&bus), first + FRAME * 2);
    element.set_property("processing-latency", u64::MAX);
    assert_eq!(posted(&bus), first);
    element.set_property_from_str("late-policy", "wait");
    assert_eq!(posted(&bus), first - FRAME);
}

#[test]
fn without_a_frame_rate_the_longest_frame_counts() {
    let element = element();
    let mut info = info(VideoFormat::I420, 32, 16).to_caps().unwrap();
    info.make_mut().set("framerate", gst::Fraction::new(0, 1));
    let info = gst_video::VideoInfo::from_caps(&info).unwrap();
    let bus = bus(&element);
    let mut harness = harness(&element, &info);
    let latency = || ClockTime::from_nseconds(element.property("latency"));
    let frames = latency() / FRAME;
    assert_eq!(latency(), FRAME * frames, "25 a second are a guess");
    let recorder = Recorder::on(&src_pad(&element));
    for (i, slow) in [
        (1, false),
        (2, false),
        (5, true),
        (6, false),
        (20, true),
        (21, false),
    ] {
        bus.set_flushing(true);
        bus.set_flushing(false);
        harness.push(frame(&info, i)).unwrap();
        // Whichever thread sees it first posts it.
        let patience = if slow { PATIENCE.as_secs() } else { 0 };
        let patience = ClockTime::from_seconds(patience);
        let posted = bus.timed_pop_filtered(patience, &[gst::MessageType::Latency]);
        assert_eq!(posted.is_some(), slow, "frame {i}");
    }
    assert_eq!(latency(), FRAME * 14 * frames);
    harness.push_event(gst::event::Eos::new());
    let seen = recorder.until(&Seen::Event(gst::EventType::Eos));
    assert_eq!(crate::element::support::frames(&seen), [1, 2, 5, 6, 20, 21]);
}

#[test]
fn live_means_sliding_windows_and_a_file_means_those_of_the_script() {
    let info = info(VideoFormat::I420, 32, 16);
    // The look-ahead tells which it is: 40 frames and 10.
    let latency = |mode: &str, live: bool| {
        let element = element();
        element.set_property_from_str("mode", mode);
        element.set_property("processing-latency", 0u64);
        let source = gst::Pad::builder(gst::PadDirection::Src)
            .query_function(move |pad, parent, query| match query.view_mut() {
                gst::QueryViewMut::Latency(latency) => {
                    latency.set(live, ClockTime::ZERO, None);
                    true
                }
                _ => gst::Pad::query_default(pad, parent, query),
            })
            .build();
        source.set_active(true).unwrap();
        source.link(&element.static_pad("sink").unwrap()).unwrap();
        element.set_state(gst::State::Playing).unwrap();
        source.push_event(gst::event::StreamStart::new("video"));
        source.push_event(gst::event::Caps::new(&info.to_caps().unwrap()));
        let latency = ClockTime::from_nseconds(element.property("latency"));
        element.set_state(gst::State::Null).unwrap();
        latency / FRAME
    };
    for (mode, live, frames) in [
        ("auto", true, 10),
        ("auto", false, 40),
        ("sliding", false, 10),
        ("reference", true, 40),
    ] {
        assert_eq!(latency(mode, live), frames, "{mode}, live {live}");
    }
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
