//! Frames that are due before the engine is done: each has one outcome, and the stream goes on.

use gst::{ClockTime, MessageType, MessageView, prelude::*};

use crate::element::{support::live::*, support::*};

const FOREVER: ClockTime = ClockTime::from_seconds(1_000_000);

fn live(policy: &str) -> Live {
    let element = element();
    element.set_property_from_str("late-policy", policy);
    element.set_property("lookahead", 3u32);
    Live::new(element)
}

/// An engine that hangs; frames until the first has to go, and a nanosecond more.
fn hung(policy: &str) -> Live {
    let mut live = live(policy);
    live.load.set(FOREVER);
    let latency = live.latency();
    assert!(latency > FRAME * 3);
    while FRAME * live.next <= latency {
        live.frame();
        assert!(live.harness.try_pull().is_none(), "frame 0 has time left");
    }
    live.run_to(latency + ClockTime::from_nseconds(1));
    live
}

#[test]
fn a_late_frame_passes_through() {
    let mut live = hung("pass-through");
    let out = live.harness.pull().unwrap();
    assert_eq!(number(&out), 0);
    assert!(live.is_untouched(&out));
    let stats = live.accounts();
    assert_eq!(stats.get("passed-through"), Ok(1u64));
    assert_eq!(stats.get("late"), Ok(1u64));
    assert!(live.harness.try_pull().is_none(), "frame 1 has time left");
}

#[test]
fn a_late_frame_is_filled() {
    // Live, this is the default.
    for policy in ["fill", "auto"] {
        let mut live = hung(policy);
        let out = live.harness.pull().unwrap();
        assert_eq!(number(&out), 0);
        let (source, out) = (noise(live.info.size(), 1), bytes(&out));
        let stride = live.info.stride()[0] as usize;
        let hole = |at: usize| (8..14).contains(&(at % stride)) && (4..10).contains(&(at / stride));
        let luma = stride * 16;
        assert!((0..luma).all(|at| hole(at) || source[at] == out[at]));
        assert!((0..luma).any(|at| hole(at) && source[at] != out[at]));
        until(|| live.count("filled") == 1);
    }
}

#[test]
fn a_late_frame_is_dropped_and_the_next_says_so() {
    let mut live = hung("drop");
    until(|| live.count("dropped") == 1);
    assert!(live.harness.try_pull().is_none());
    live.element
        .set_property_from_str("late-policy", "pass-through");
    live.frame();
    live.run_to(live.latency() + FRAME + ClockTime::from_nseconds(1));
    let out = live.harness.pull().unwrap();
    assert_eq!(number(&out), 1);
    assert!(out.flags().contains(gst::BufferFlags::DISCONT));
    live.run_to(live.latency() + FRAME * 2 + ClockTime::from_nseconds(1));
    let out = live.harness.pull().unwrap();
    assert!(!out.flags().contains(gst::BufferFlags::DISCONT));
}

#[test]
fn with_wait_a_late_frame_waits() {
    let mut live = live("wait");
    let look_ahead = live.latency() / FRAME;
    assert_eq!(live.latency(), FRAME * look_ahead, "no processing latency");
    live.load.set(FRAME);
    for _ in 0..4 {
        live.frame();
    }
    live.run_to(FRAME * 3);
    assert!(live.harness.try_pull().is_none());
    live.run_to(FRAME * 100);
    assert_eq!(number(&live.harness.pull().unwrap()), 0);
    assert_eq!(live.count("late"), 0);
    assert!(live.messages(MessageType::Warning).is_empty());
}

#[test]
fn late_frames_are_reported_in_qos_messages() {
    let mut live = hung("pass-through");
    live.harness.pull().unwrap();
    let messages = live.messages(MessageType::Qos);
    let [message] = messages.as_slice() else {
        panic!("one late frame, {} messages", messages.len());
    };
    let MessageView::Qos(qos) = message.view() else {
        unreachable!("only those were asked for");
    };
    let (is_live, running_time, stream_time, timestamp, duration) = qos.get();
    assert!(is_live);
    let start = Some(ClockTime::ZERO);
    assert_eq!([running_time, stream_time, timestamp], [start; 3]);
    assert_eq!(duration, Some(FRAME));
    assert_eq!(qos.values().0, 1, "a nanosecond late");
    let (meant, otherwise) = qos.stats();
    assert_eq!((meant.value(), otherwise.value()), (0, 1));
}

#[test]
fn an_overload_is_one_warning_and_ends_when_the_load_falls() {
    for policy in ["fill", "pass-through", "drop"] {
        let mut live = live(policy);
        let steady = |live: &mut Live, frames: u64| {
            live.load.set(FRAME / 2);
            for _ in 0..frames {
                live.frame();
                let time = FRAME * live.next - ClockTime::from_nseconds(1);
                live.run_to(time);
                while live.harness.try_pull().is_some() {}
            }
        };
        steady(&mut live, 60);
        assert_eq!(live.count("late"), 0);
        for episode in 1..=2 {
            live.load.set(FRAME * 2);
            for _ in 0..300 {
                live.frame();
                while live.harness.try_pull().is_some() {}
            }
            assert_eq!(live.count("overload-episodes"), episode);
            assert_eq!(live.messages(MessageType::Warning).len(), 1);
            // The pauses between trials have become longer meanwhile.
            steady(&mut live, 600);
            let late = live.count("late");
            let ends = live.messages(MessageType::Element);
            let ends = ends.iter().filter(|message| {
                let structure = message.structure().unwrap();
                structure.name() == "propainter-overload"
                    && structure.get::<bool>("active") == Ok(false)
            });
            assert_eq!(ends.count(), 1, "{policy}: {}", live.stats());
            let before = live.accounts().get::<u64>("inpainted").unwrap();
            steady(&mut live, 50);
            let stats = live.accounts();
            assert_eq!(stats.get("late"), Ok(late));
            assert_eq!(
                stats.get("inpainted"),
                Ok(before + 50),
                "the engine is back"
            );
            assert!(live.messages(MessageType::Warning).is_empty());
        }
        live.accounts();
    }
}

#[test]
fn an_hour_at_twice_what_the_engine_can_do() {
    let mut live = live("fill");
    live.load.set(FRAME / 2);
    let (most, hour) = (live.latency() / FRAME + 2, 25 * 3600);
    let mut next = 0;
    for i in 0..hour {
        if i == 250 {
            live.load.set(FRAME * 2);
        }
        live.frame();
        until(|| u64::from(live.stats().get::<u32>("held").unwrap()) <= most);
        while let Some(out) = live.harness.try_pull() {
            assert_eq!(number(&out), next);
            next += 1;
        }
        live.messages(MessageType::Qos);
    }
    // No frame but those whose time has not come is still inside.
    assert!(next + most >= hour, "{next} of {hour} came out");
    let recorder = Recorder::on(&src_pad(&live.element));
    live.load.set(ClockTime::ZERO);
    let end = live.clock.time() + ClockTime::SECOND;
    live.run_to(end);
    live.harness.push_event(gst::event::Eos::new());
    recorder.until(&Seen::Event(gst::EventType::Eos));
    let stats = live.accounts();
    assert_eq!(stats.get("frames-in"), Ok(hour));
    assert_eq!(stats.get("frames-out"), Ok(hour));
    assert_eq!(stats.get("overload-episodes"), Ok(1u64));
    assert_eq!(live.messages(MessageType::Warning).len(), 1);
    assert!(stats.get::<u64>("inpainted").unwrap() >= 200, "{stats}");
    assert!(live.load.frames() < hour / 50, "trials become rare");
}

#[test]
fn in_a_file_downstreams_qos_says_what_is_late() {
    for (qos, policy) in [
        (true, "pass-through"),
        (false, "pass-through"),
        (true, "wait"),
    ] {
        let mut live = live(policy);
        live.element.set_property("qos", qos);
        live.load.set(FOREVER);
        for _ in 0..3 {
            live.frame();
        }
        let event = gst::event::Qos::new(
            gst::QOSType::Underflow,
            2.0,
            ClockTime::from_mseconds(30).nseconds() as i64,
            FRAME,
        );
        live.harness.push_upstream_event(event);
        // Wanted from 40 + 2 · 30 ms on: frames 0, 1 and 2 are before that.
        if qos && policy != "wait" {
            for i in 0..3 {
                assert_eq!(number(&live.harness.pull().unwrap()), i);
            }
            assert_eq!(live.count("late"), 3);
        } else {
            assert!(live.harness.try_pull().is_none());
            assert_eq!(live.count("late"), 0);
        }
    }
}

#[test]
fn a_mask_that_does_not_come_delays_no_live_frame() {
    let mut live = live("fill");
    live.element.set_property("mask-regions", regions(&[]));
    let masks = MaskSource::new(&live.element, 32, 16);
    for i in 0..8 {
        live.frame();
        if i < 4 {
            let time = Some(FRAME * i);
            masks.push((32, 16), 4..9, time, Some(FRAME)).unwrap();
        }
    }
    let latency = live.latency();
    for i in 0..8 {
        live.run_to(latency + FRAME * i + ClockTime::from_nseconds(1));
        let out = live.harness.pull().unwrap();
        assert_eq!(number(&out), i);
        // The last mask stays in use.
        assert!(!live.is_untouched(&out), "frame {i}");
    }
}

#[test]
fn paused_the_clock_makes_no_frame_late() {
    let mut live = live("drop");
    live.load.set(FOREVER);
    for _ in 0..3 {
        live.frame();
    }
    live.element.set_state(gst::State::Paused).unwrap();
    live.run_to(FRAME * 1000);
    assert_eq!(live.count("late"), 0);
    live.element.set_state(gst::State::Playing).unwrap();
    until(|| live.count("dropped") == 3);
}

#[test]
fn an_engine_that_opens_slowly_is_not_overloaded() {
    let element = element();
    element.set_property_from_str("late-policy", "fill");
    element.set_property("lookahead", 3u32);
    let load = Load::default();
    load.set_opening(FRAME * 50);
    load.set(FRAME / 3);
    let mut live = Live::with(element, load);
    for _ in 0..150 {
        live.frame();
    }
    let stats = live.accounts();
    let late: u64 = stats.get("late").unwrap();
    assert!((30..70).contains(&late), "{stats}");
    assert_eq!(stats.get("filled"), Ok(late));
    assert_eq!(stats.get("overload-episodes"), Ok(0u64));
    assert_eq!(stats.get("fallback-active"), Ok(false));
    assert!(live.messages(MessageType::Warning).is_empty());
    // Once it is open it may be overloaded as ever.
    live.load.set(FRAME * 2);
    for _ in 0..60 {
        live.frame();
    }
    assert_eq!(live.count("overload-episodes"), 1);
    assert_eq!(live.messages(MessageType::Warning).len(), 1);
}

#[test]
fn frames_that_a_policy_handles_are_reported_one_by_one() {
    for policy in ["pass-through", "drop"] {
        let mut live = live(policy);
        live.load.set(FRAME * 2);
        for _ in 0..60 {
            live.frame();
        }
        let stats = live.accounts();
        let otherwise = stats
            .get::<u64>("passed-through")
            .unwrap()
            .max(stats.get("dropped").unwrap());
        assert!(
            otherwise > live.count("late"),
            "most by the fallback: {stats}"
        );
        let messages = live.messages(MessageType::Qos);
        assert_eq!(messages.len() as u64, otherwise);
        let MessageView::Qos(last) = messages.last().unwrap().view() else {
            unreachable!("only those were asked for");
        };
        let (meant, not) = last.stats();
        assert_eq!(not.value() as u64, otherwise);
        let as_meant: u64 = stats.get("inpainted").unwrap();
        assert!(meant.value() as u64 <= as_meant);
    }
}

#[test]
fn a_late_frame_is_filled_where_its_own_hole_is() {
    let mut live = live("fill");
    live.load.set(FOREVER);
    let holes: [[i32; 4]; 3] = [[8, 4, 6, 6], [20, 2, 4, 8], [2, 8, 6, 4]];
    for hole in holes {
        live.element.set_property("mask-regions", regions(&[hole]));
        live.frame();
    }
    let latency = live.latency();
    for (i, [x, y, width, height]) in (0u64..).zip(holes) {
        live.run_to(latency + FRAME * i + ClockTime::from_nseconds(1));
        let out = bytes(&live.harness.pull().unwrap());
        let source = noise(live.info.size(), i + 1);
        let stride = live.info.stride()[0] as usize;
        let inside = |at: usize| {
            let (column, row) = ((at % stride) as i32, (at / stride) as i32);
            (x..x + width).contains(&column) && (y..y + height).contains(&row)
        };
        let luma = 0..stride * 16;
        let changed: Vec<_> = luma.filter(|&at| source[at] != out[at]).collect();
        assert!(changed.iter().all(|&at| inside(at)), "frame {i}");
        assert!(changed.len() as i32 > width * height / 2, "frame {i}");
    }
}

#[test]
fn an_event_that_drains_delays_no_live_frame() {
    let mut live = live("pass-through");
    live.load.set(FOREVER);
    let recorder = Recorder::on(&src_pad(&live.element));
    live.frame();
    live.frame();
    let gap = gst::event::Gap::builder(FRAME * 2).duration(FRAME).build();
    live.harness.push_event(gap);
    live.next += 1;
    live.frame();
    let latency = live.latency();
    for i in [0, 1, 3] {
        live.run_to(latency + FRAME * i + ClockTime::from_nseconds(1));
        assert_eq!(number(&live.harness.pull().unwrap()), i);
    }
    let seen = recorder.so_far();
    let tail = &seen[seen.len() - 2..];
    assert_eq!(tail, [Seen::Event(gst::EventType::Gap), Seen::Frame(3)]);
}

#[test]
fn a_late_frame_has_a_border_that_is_filled_whatever_the_policy() {
    for policy in ["pass-through", "fill"] {
        let element = element();
        element.set_property_from_str("late-policy", policy);
        element.set_property("lookahead", 3u32);
        element.set_property("expand-left", 8u32);
        element.set_property("expand-bottom", 4u32);
        let mut live = Live::new(element);
        live.load.set(FOREVER);
        let latency = live.latency();
        while FRAME * live.next <= latency {
            live.frame();
        }
        live.run_to(latency + ClockTime::from_nseconds(1));
        let out = live.harness.pull().unwrap();
        let caps = live.harness.sinkpad().unwrap().current_caps().unwrap();
        let canvas = gst_video::VideoInfo::from_caps(&caps).unwrap();
        assert_eq!(canvas.width(), live.info.width() + 8);
        let (source, out) = (noise(live.info.size(), 1), bytes(&out));
        let (from, to) = (live.info.stride()[0] as usize, canvas.stride()[0] as usize);
        let (mut changed, mut border) = (0, 0);
        for y in 0..16 {
            let (row, picture) = (&out[y * to..], &source[y * from..][..32]);
            border += row[..8].iter().map(|&luma| u32::from(luma)).sum::<u32>();
            changed += row[8..].iter().zip(picture).filter(|(a, b)| a != b).count();
        }
        assert!(border / (8 * 16) > 60, "{policy}: the border is dark");
        assert_eq!(changed > 0, policy == "fill", "{policy}: the hole");
    }
}
