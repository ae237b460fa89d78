//! Live frames that come late by themselves: not the engine's doing.

use gst::{ClockTime, MessageType, prelude::*};

use crate::element::{support::live::*, support::*};

fn live() -> Live {
    let element = element();
    element.set_property_from_str("late-policy", "fill");
    element.set_property("lookahead", 3u32);
    Live::new(element)
}

/// Streams frames whose time stamps are behind the clock by `behind` of their number.
fn stream(live: &mut Live, frames: u64, behind: impl Fn(u64) -> ClockTime) {
    for i in 0..frames {
        let mut buffer = frame(&live.info, i);
        buffer.get_mut().unwrap().set_pts(FRAME * i);
        let came = FRAME * i + behind(i);
        live.run_to(came);
        live.push(buffer);
        while live.harness.try_pull().is_some() {}
    }
}

fn warnings(live: &mut Live) -> Vec<String> {
    let warnings = live.messages(MessageType::Warning);
    let text = |message: &gst::Message| match message.view() {
        gst::MessageView::Warning(warning) => warning.error().message().to_owned(),
        _ => unreachable!("only those were asked for"),
    };
    warnings.iter().map(text).collect()
}

#[test]
fn frames_that_come_late_are_filled_by_the_engine_and_the_source_is_named() {
    let slow = |i: u64| ClockTime::from_seconds(1) + FRAME * i / 10;
    let behind = |_| ClockTime::from_seconds(2);
    for (name, behind) in [
        ("behind", &behind as &dyn Fn(u64) -> ClockTime),
        ("slow", &slow),
    ] {
        let mut live = live();
        live.load.set(FRAME / 2);
        stream(&mut live, 100, behind);
        let stats = live.accounts();
        assert_eq!(stats.get("late"), Ok(0u64), "{name}: {stats}");
        assert_eq!(stats.get("late-arrivals"), Ok(100u64), "{name}: {stats}");
        assert!(
            stats.get::<u64>("inpainted").unwrap() >= 90,
            "{name}: {stats}"
        );
        assert_eq!(stats.get("overload-episodes"), Ok(0u64));
        let delay = stats.get::<ClockTime>("source-delay").unwrap();
        assert!(delay >= ClockTime::SECOND, "{name}: {stats}");
        let warnings = warnings(&mut live);
        assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");
        assert!(warnings[0].contains("come late"), "{name}: {warnings:?}");
    }
}

#[test]
fn an_engine_that_is_too_slow_for_late_frames_is_named() {
    let mut live = live();
    live.load.set(FRAME * 2);
    stream(&mut live, 200, |_| ClockTime::from_seconds(2));
    let stats = live.accounts();
    assert!(stats.get::<u64>("late").unwrap() > 0, "{stats}");
    assert_eq!(stats.get("overload-episodes"), Ok(1u64), "{stats}");
    let warnings = warnings(&mut live);
    let too_slow = |text: &&String| text.contains("engine is too slow");
    assert_eq!(warnings.iter().filter(too_slow).count(), 1, "{warnings:?}");
}

#[test]
fn frames_that_come_in_bunches_are_filled_by_the_engine() {
    let mut live = live();
    live.load.set(FRAME / 4);
    // Four frames at a time, as a network delivers them.
    stream(&mut live, 100, |i| FRAME * (3 - i % 4));
    let stats = live.accounts();
    assert_eq!(stats.get("late"), Ok(0u64), "{stats}");
    assert_eq!(stats.get("overload-episodes"), Ok(0u64));
}

#[test]
fn one_late_frame_now_and_then_is_no_episode() {
    let mut live = live();
    for i in 0..300 {
        // The engine takes too long for two frames of sixty.
        let slow = (i % 60) < 1;
        live.load.set(if slow { FRAME * 4 } else { FRAME / 4 });
        live.frame();
        while live.harness.try_pull().is_some() {}
    }
    let stats = live.accounts();
    assert!(stats.get::<u64>("late").unwrap() > 0, "{stats}");
    assert_eq!(stats.get("overload-episodes"), Ok(0u64), "{stats}");
    assert!(warnings(&mut live).is_empty());
}

#[test]
fn what_a_sink_calls_late_because_it_came_late_is_filled_by_the_engine() {
    let mut live = live();
    let behind = ClockTime::from_seconds(2);
    for i in 0..60 {
        live.run_to(FRAME * i + behind);
        let buffer = frame(&live.info, i);
        live.push(buffer);
        while let Some(out) = live.harness.try_pull() {
            let event = gst::event::Qos::new(
                gst::QOSType::Underflow,
                2.0,
                behind.nseconds() as i64,
                out.pts().unwrap(),
            );
            live.harness.push_upstream_event(event);
        }
    }
    let stats = live.accounts();
    assert_eq!(stats.get("late"), Ok(0u64), "{stats}");
}
