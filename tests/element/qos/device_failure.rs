//! A device that fails: the stream goes on, and the device is tried again.

use gst::{MessageType, prelude::*};
use gst_video::VideoFormat;
#[cfg(feature = "networks")]
use propainter_tests::{golden::weights_folder, virtual_gpu::virtual_gpu};

use crate::element::{support::live::*, support::*};

fn warnings(live: &mut Live) -> Vec<String> {
    let messages = live.messages(MessageType::Warning);
    let text = |message: &gst::Message| match message.view() {
        gst::MessageView::Warning(warning) => warning.error().message().to_owned(),
        _ => unreachable!("only those were asked for"),
    };
    messages.iter().map(text).collect()
}

fn stream() -> Live {
    let element = element();
    element.set_property("lookahead", 3u32);
    element.set_property_from_str("late-policy", "wait");
    Live::new(element)
}

/// The stream ends, and every frame that went in comes out with its hole filled.
fn all_filled(live: &mut Live) {
    live.harness.push_event(gst::event::Eos::new());
    for i in 0..live.next {
        let out = live.harness.pull().unwrap();
        assert_eq!(number(&out), i);
        assert!(!live.is_untouched(&out));
    }
    until(|| live.count("frames-out") == live.next);
}

#[test]
fn a_device_that_fails_once_is_opened_again_at_once_and_no_frame_is_lost() {
    let mut live = stream();
    for _ in 0..20 {
        live.frame();
    }
    live.load.break_device(true);
    live.frame();
    until(|| live.count("device-failures") >= 1);
    live.load.break_device(false);
    for _ in 0..80 {
        live.frame();
    }
    all_filled(&mut live);
    // The engine may have been tried a second time before the device worked again.
    let failures = live.count("device-failures");
    let warnings = warnings(&mut live);
    assert_eq!(warnings.len() as u64, failures);
    assert!(warnings[0].contains("fell off the bus"), "{warnings:?}");
    assert!(warnings[0].contains("attempt 1 of"), "{warnings:?}");
    assert!(live.count("inpainted") >= 60, "{}", live.stats());
}

#[test]
fn a_device_that_stays_dead_is_given_up_and_the_stream_goes_on() {
    let mut live = stream();
    live.load.break_device(true);
    for _ in 0..600 {
        live.frame();
    }
    all_filled(&mut live);
    assert_eq!(live.count("filled"), live.next);
    assert_eq!(live.count("device-failures"), 5);
    assert_eq!(live.load.frames(), 5, "it is left alone afterwards");
    let warnings = warnings(&mut live);
    assert_eq!(warnings.len(), 5);
    assert!(warnings[4].contains("given up"), "{warnings:?}");
    assert!(live.stats().get::<bool>("fallback-active").unwrap());
}

#[test]
fn a_new_start_tries_a_dead_device_again() {
    let mut live = stream();
    live.load.break_device(true);
    for _ in 0..300 {
        live.frame();
    }
    assert!(live.stats().get::<bool>("fallback-active").unwrap());
    live.element.set_state(gst::State::Ready).unwrap();
    live.load.break_device(false);
    live.next = 0;
    live.element.set_state(gst::State::Playing).unwrap();
    let before = live.load.frames();
    let source = live.harness.srcpad().unwrap();
    source.push_event(gst::event::StreamStart::new("again"));
    source.push_event(gst::event::Caps::new(&live.info.to_caps().unwrap()));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    source.push_event(gst::event::Segment::new(&segment));
    for _ in 0..10 {
        live.frame();
    }
    until(|| live.load.frames() == before + 10);
    assert_eq!(live.count("device-failures"), 0);
}

#[test]
fn without_memory_a_live_stream_goes_on_and_a_file_ends() {
    for (policy, goes_on) in [("fill", true), ("wait", false)] {
        let mut live = stream();
        live.element.set_property_from_str("late-policy", policy);
        for _ in 0..20 {
            live.frame();
        }
        live.load.take_memory(true);
        if !goes_on {
            let frame = frame(&live.info, live.next);
            live.harness.push(frame).unwrap();
            let (text, error) = error(&live.bus);
            assert!(error.matches(gst::ResourceError::NoSpaceLeft), "{text}");
            continue;
        }
        live.frame();
        until(|| live.count("device-failures") >= 1);
        live.load.take_memory(false);
        for _ in 0..80 {
            live.frame();
        }
        all_filled(&mut live);
        let warnings = warnings(&mut live);
        assert!(warnings[0].contains("somebody else has it"), "{warnings:?}");
        assert!(live.count("inpainted") >= 60, "{}", live.stats());
    }
}

#[cfg(feature = "networks")]
#[test]
fn auto_says_why_it_takes_the_cpu_where_a_driver_is() {
    let Some(weights) = weights_folder() else {
        return;
    };
    let test = "element::qos::device_failure::auto_says_why_it_takes_the_cpu_where_a_driver_is";
    if !virtual_gpu(test, &[("VIRTUAL_GPU_DEVICES", "0")]) {
        return;
    }
    let element = element();
    element.set_property_from_str("model", "propainter");
    element.set_property("device", "auto");
    element.set_property("weights", weights.to_str().expect("UTF-8"));
    element.set_property("raft-iterations", 1u32);
    element.set_property("mask-regions", regions(&[[8, 8, 16, 16]]));
    let bus = bus(&element);
    let info = info(VideoFormat::I420, 64, 64);
    let mut harness = harness(&element, &info);
    for i in 0..3 {
        harness.push(frame(&info, i)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    for _ in 0..3 {
        harness.pull().expect("it works on the CPU");
    }
    let warnings = std::iter::from_fn(|| bus.pop_filtered(&[MessageType::Warning]));
    let texts: Vec<_> = warnings
        .filter_map(|message| match message.view() {
            gst::MessageView::Warning(warning) => Some(warning.error().message().to_owned()),
            _ => None,
        })
        .collect();
    let [text] = &texts[..] else {
        panic!("one warning: {texts:?}");
    };
    assert!(
        text.contains("device=auto") && text.contains("CUDA_VISIBLE_DEVICES"),
        "{text}"
    );
}
