//! The engine without networks searches less before frames are late.

use gst::{ClockTime, MessageType, MessageView, prelude::*};

use crate::element::{support::live::*, support::*};

/// A little less than the duration of a frame: more than the engine may take, but not late yet.
const NEARLY: ClockTime = ClockTime::from_mseconds(39);

fn live(allowed: &str, policy: &str) -> Live {
    let element = element();
    element.set_property_from_str("model", "propagation");
    element.set_property_from_str("allow-degradation", allowed);
    element.set_property_from_str("late-policy", policy);
    element.set_property("lookahead", 2u32);
    Live::new(element)
}

/// Lets frames come, and their time go by.
fn stream(live: &mut Live, load: ClockTime, frames: u64) {
    live.load.set(load);
    for _ in 0..frames {
        live.frame();
        live.run_to(FRAME * live.next - ClockTime::from_nseconds(1));
        while live.harness.try_pull().is_some() {}
    }
}

#[test]
fn a_frame_that_would_be_late_gets_less_effort_until_there_is_time_again() {
    let mut live = live("effort", "fill");
    stream(&mut live, ClockTime::ZERO, 100);
    let stats = live.accounts();
    assert_eq!(stats.get("effort"), Ok("full"), "{stats}");
    assert_eq!(stats.get("ended-early"), Ok(0u64));
    stream(&mut live, NEARLY, 100);
    let stats = live.accounts();
    assert_eq!(stats.get("effort"), Ok("least"), "{stats}");
    assert!(stats.get::<u64>("ended-early").unwrap() > 10, "{stats}");
    let changes: u64 = stats.get("effort-changes").unwrap();
    stream(&mut live, ClockTime::ZERO, 30);
    assert_eq!(live.stats().get("effort"), Ok("least"), "it waits a while");
    stream(&mut live, ClockTime::ZERO, 400);
    let stats = live.accounts();
    assert_eq!(stats.get("effort"), Ok("full"), "{stats}");
    assert_eq!(stats.get("effort-changes"), Ok(changes + 4), "{stats}");
    assert_eq!(stats.get("late"), Ok(0u64));
    let tiers = stats.get::<gst::Array>("effort-frames").unwrap();
    let frames = tiers.iter().map(|frames| frames.get::<u64>().unwrap());
    assert_eq!(stats.get("inpainted"), Ok(frames.sum::<u64>()), "{stats}");
    assert!(live.messages(MessageType::Warning).is_empty());
}

#[test]
fn a_stream_starts_with_the_least_effort_as_its_cost_is_not_known() {
    let mut live = live("effort", "fill");
    stream(&mut live, ClockTime::ZERO, 8);
    let stats = live.accounts();
    assert_eq!(stats.get("effort"), Ok("least"), "{stats}");
    assert_eq!(stats.get("late"), Ok(0u64), "{stats}");
}

#[test]
fn without_leave_the_effort_stays_full() {
    for (allowed, policy) in [("none", "fill"), ("effort", "wait")] {
        let mut live = live(allowed, policy);
        stream(&mut live, NEARLY, 30);
        let stats = live.accounts();
        assert_eq!(stats.get("ended-early"), Ok(0u64), "{policy}: {stats}");
        assert_eq!(stats.get("effort"), Ok("full"));
    }
}

#[test]
fn where_no_effort_is_small_enough_one_warning_says_what_helps() {
    let mut live = live("effort", "fill");
    stream(&mut live, ClockTime::ZERO, 60);
    live.load.set(FRAME * 3);
    let recorder = Recorder::on(&src_pad(&live.element));
    let frames = 400;
    for _ in 0..frames {
        live.frame();
        while live.harness.try_pull().is_some() {}
    }
    let warnings = live.messages(MessageType::Warning);
    let [warning] = warnings.as_slice() else {
        panic!("{} warnings", warnings.len());
    };
    let MessageView::Warning(warning) = warning.view() else {
        unreachable!("only those were asked for");
    };
    let text = warning.error().to_string();
    for remedy in [
        "mask",
        "crop-mode",
        "frame rate",
        "cores",
        "processing-latency",
    ] {
        assert!(text.contains(remedy), "{remedy}: {text}");
    }
    let end = live.clock.time() + ClockTime::SECOND;
    live.load.set(ClockTime::ZERO);
    live.run_to(end);
    live.harness.push_event(gst::event::Eos::new());
    recorder.until(&Seen::Event(gst::EventType::Eos));
    let stats = live.accounts();
    assert_eq!(stats.get("frames-in"), Ok(60 + frames), "{stats}");
    assert_eq!(stats.get("frames-out"), Ok(60 + frames), "{stats}");
    assert!(stats.get::<u64>("filled").unwrap() > frames / 2, "{stats}");
}
