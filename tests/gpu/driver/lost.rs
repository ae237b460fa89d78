//! A device that fails at a launch, a copy or a wait: the failure is sticky as that of a GPU, the stream
//! goes on without the device, and the dead context is asked for nothing again.

use std::time::{Duration, Instant};

use gst::{ClockTime, MessageType, prelude::*};
use gst_video::VideoFormat;
use propainter::{Error, Session};
use virtual_gpu::harness;

use super::{config, gpu};
use crate::element::support::*;

const FRAMES: u64 = 12;

/// The settings that order a failure at the n-th launch, copy and wait.
const CALLS: [&str; 3] = [
    "VIRTUAL_GPU_FAIL_LAUNCH",
    "VIRTUAL_GPU_FAIL_COPY",
    "VIRTUAL_GPU_FAIL_WAIT",
];

#[test]
fn a_stream_goes_on_without_a_device_that_is_lost() {
    let test = "gpu::driver::lost::a_stream_goes_on_without_a_device_that_is_lost";
    each_lost(test, |count| vec![1, count * 2 / 3]);
}

#[test]
#[ignore = "long: make gpu-test"]
fn a_stream_goes_on_wherever_its_device_is_lost() {
    let test = "gpu::driver::lost::a_stream_goes_on_wherever_its_device_is_lost";
    each_lost(test, |count| (0..20).map(|i| 1 + i * count / 22).collect());
}

/// Streams without a failure, then in a process of its own for each of the calls that `pick` picks of so
/// many, in which that call fails.
fn each_lost(test: &str, pick: impl Fn(u64) -> Vec<u64>) {
    let Some(text) = streamed(test, None) else {
        return;
    };
    let Some(counts) = text.lines().find_map(|line| line.strip_prefix("calls: ")) else {
        // Without weights nothing ran.
        return;
    };
    let counts = counts.split(' ').map(|n| n.parse().expect("a number"));
    let mut streams = 0;
    for (call, count) in CALLS.into_iter().zip(counts) {
        println!("{call}: {count}");
        for n in pick(count) {
            let text = streamed(test, Some((call, n))).expect("the test's process");
            let end = text.lines().find_map(|line| line.strip_prefix("lost "));
            let end = end.unwrap_or_else(|| panic!("{call}={n} was not reached: {text}"));
            println!("{call}={n}: {end}");
            streams += u32::from(end.starts_with("in the stream"));
        }
    }
    assert!(streams > 0, "no device was lost in a stream");
}

/// Streams in a process of its own, in which a call of this number fails, and returns what it printed.
/// Returns `None` in that process.
fn streamed(test: &str, failure: Option<(&str, u64)>) -> Option<String> {
    let number = failure.map(|(_, n)| n.to_string()).unwrap_or_default();
    let call = failure.map_or(CALLS[0], |(call, _)| call);
    let settings = [("PROPAINTER_TEST_DEVICE", "cuda:0"), (call, &number)];
    let Some(output) = harness::output(test, &settings) else {
        stream();
        return None;
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{failure:?}: {text}");
    assert!(!text.contains("panicked"), "{failure:?}: {text}");
    Some(text)
}

/// Pushes frames through an element on the virtual GPU. If that fails meanwhile, checks that all frames come
/// out after one warning, or that the start ends with an error; that each says what to do; and that the
/// device is left alone, by a session, too.
fn stream() {
    let Some(config) = config() else { return };
    let element = element();
    element.set_property_from_str("model", "propainter");
    element.set_property("device", "cuda:0");
    let weights = config.weights.as_ref().and_then(|path| path.to_str());
    element.set_property("weights", weights.expect("UTF-8"));
    element.set_property("raft-iterations", 2u32);
    element.set_property("mask-regions", regions(&[[20, 16, 20, 16]]));
    let bus = bus(&element);
    let info = info(VideoFormat::I420, 64, 48);
    let mut harness = harness(&element, &info);
    // A stream that has failed takes no more.
    let taken = (0..FRAMES).take_while(|i| harness.push(frame(&info, *i)).is_ok());
    let taken = taken.count() as u64;
    harness.push_event(gst::event::Eos::new());
    let begun = Instant::now();
    let (mut next, mut warnings) = (0, Vec::new());
    let kinds = [MessageType::Error, MessageType::Warning];
    let error = loop {
        if let Some(out) = harness.try_pull() {
            assert_eq!(number(&out), next, "a frame is lost");
            assert_ne!(bytes(&out), bytes(&frame(&info, next)), "it is filled");
            next += 1;
            if next == FRAMES {
                break None;
            }
        } else if let Some(message) = bus.timed_pop_filtered(ClockTime::from_mseconds(20), &kinds) {
            match message.view() {
                gst::MessageView::Error(error) => break Some(error.error().message().to_owned()),
                gst::MessageView::Warning(warning) => {
                    warnings.push(warning.error().message().to_owned());
                }
                _ => unreachable!("only those were asked for"),
            }
        }
        assert!(
            begun.elapsed() < Duration::from_secs(500),
            "{next} came out"
        );
    };
    let counts = gpu().counts();
    let copies = counts.uploads + counts.downloads;
    println!("calls: {} {copies} {}", counts.launches, counts.waits());
    let told = match error {
        Some(error) => {
            assert_eq!(next, 0, "a stream that has begun goes on");
            println!("lost at the start: {error}");
            error
        }
        None => {
            warnings.extend(crate::element::support::warnings(&bus));
            let Some(warning) = warnings.first() else {
                return;
            };
            assert_eq!((taken, warnings.len()), (FRAMES, 1), "{warnings:?}");
            assert!(warning.contains("given up"), "{warning}");
            println!("lost in the stream: {warning}");
            warning.clone()
        }
    };
    assert!(told.contains("restart") && !told.contains('\n'), "{told}");
    element.set_state(gst::State::Null).expect("it stops");
    let again = Session::open(config).map(drop).expect_err("it is lost");
    assert!(matches!(again, Error::DeviceLost { .. }), "{again:?}");
    let launches = gpu().counts().launches;
    assert_eq!(launches, counts.launches, "the device is left alone");
}
