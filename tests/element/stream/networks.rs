//! With the networks at work, which take long: nobody waits for them who need not.

use gst::{ClockTime, EventType, prelude::*};
use gst_video::{VideoFormat, VideoInfo};
use propainter_tests::golden::weights_folder;

use crate::element::{support::live::*, support::*};

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
fn the_classical_engine_is_the_fallback_of_slow_networks() {
    let Some(mut live) = live() else {
        return;
    };
    live.load.set(FRAME * 3);
    let mut fell_back = false;
    for _ in 0..40 {
        live.frame();
        fell_back |= live.stats().get("fallback-active") == Ok(true);
    }
    let stats = live.accounts();
    assert!(fell_back, "{stats}");
    // More than were late: the fallback worked.
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
    assert_eq!(stats.get("fallback-active"), Ok(false), "{stats}");
    assert_eq!(stats.get("overload-episodes"), Ok(1u64));
}

/// The PROGRESS messages until one that ends what was begun: their codes, types and texts.
fn progress(bus: &gst::Bus) -> Vec<(String, gst::ProgressType, String)> {
    let patience = ClockTime::from_seconds(PATIENCE.as_secs());
    let mut reports = vec![];
    while reports
        .last()
        .is_none_or(|(_, kind, _)| *kind == gst::ProgressType::Start)
    {
        let message = bus.timed_pop_filtered(patience, &[gst::MessageType::Progress]);
        let message = message.expect("it ends");
        let gst::MessageView::Progress(progress) = message.view() else {
            unreachable!("only those were asked for");
        };
        let (kind, code, text) = progress.get();
        reports.push((code.to_owned(), kind, text.to_owned()));
    }
    reports
}

#[test]
fn from_ready_on_the_networks_are_read_and_reported() {
    let Some(weights) = weights_folder() else {
        return;
    };
    let element = element();
    element.set_property_from_str("model", "propainter");
    element.set_property("weights", weights.to_str().expect("UTF-8"));
    let bus = bus(&element);
    element.set_state(gst::State::Ready).unwrap();
    let reports = progress(&bus);
    assert!(
        reports.iter().all(|(code, ..)| code == "open"),
        "{reports:?}"
    );
    let kinds: Vec<_> = reports.iter().map(|(_, kind, _)| *kind).collect();
    assert_eq!(
        kinds,
        [gst::ProgressType::Start, gst::ProgressType::Complete]
    );
    assert!(reports[1].2.contains("networks read in"), "{reports:?}");
    element.set_state(gst::State::Null).unwrap();
    // Called off in the middle, it ends, and can begin anew.
    for _ in 0..3 {
        element.set_state(gst::State::Ready).unwrap();
        element.set_state(gst::State::Null).unwrap();
    }
    element.set_bus(None);
    // Messages hold the element, too.
    drop(bus);
    let weak = element.downgrade();
    drop(element);
    assert!(weak.upgrade().is_none(), "the thread has ended");
}

#[test]
fn networks_that_cannot_be_read_are_the_first_frames_error() {
    let element = element();
    element.set_property_from_str("model", "propainter");
    element.set_property("weights", "/there/is/no/such/folder");
    let bus = bus(&element);
    element.set_state(gst::State::Ready).unwrap();
    let reports = progress(&bus);
    let (_, kind, text) = reports.last().unwrap();
    assert_eq!(*kind, gst::ProgressType::Error);
    assert!(text.contains("/there/is/no/such/folder"), "{text}");
    let info = info(VideoFormat::I420, 64, 64);
    let mut harness = harness(&element, &info);
    harness.push(frame(&info, 0)).unwrap();
    let (text, error) = error(&bus);
    assert!(error.matches(gst::ResourceError::NotFound), "{text}");
}

#[test]
fn the_classical_engine_has_nothing_to_read() {
    let element = element();
    let bus = bus(&element);
    element.set_state(gst::State::Ready).unwrap();
    element.set_state(gst::State::Null).unwrap();
    assert!(bus.pop_filtered(&[gst::MessageType::Progress]).is_none());
}
