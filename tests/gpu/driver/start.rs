use std::time::{Duration, Instant};

use gst::{ClockTime, ProgressType, prelude::*};
use gst_video::VideoFormat;
use propainter_tests::{golden::weights_folder, virtual_gpu::virtual_gpu};

use crate::element::support::*;

/// What a start took.
struct Start {
    /// From READY to the end of the warm-up.
    warm_up: Duration,
    /// The longest time without a message meanwhile.
    silence: Duration,
    /// From the first frame in to the first frame out.
    first_frame: Duration,
}

/// Starts an element with the networks on the virtual GPU, and pushes frames until one comes out.
/// Fails unless its messages count up.
fn start(width: u32, height: u32) -> Option<Start> {
    let weights = weights_folder()?;
    let element = element();
    element.set_property("device", "cuda:0");
    element.set_property_from_str("model", "propainter");
    element.set_property("weights", weights.to_str().expect("UTF-8"));
    let hole = [width, height, width, height].map(|side| side as i32 / 3);
    element.set_property("mask-regions", regions(&[hole]));
    let bus = bus(&element);
    let begun = Instant::now();
    element.set_state(gst::State::Ready).expect("READY");
    let (mut kind, mut counted, mut total) = (ProgressType::Start, 0, 0);
    let (mut last, mut silence) = (begun, Duration::ZERO);
    while [ProgressType::Start, ProgressType::Continue].contains(&kind) {
        let patience = ClockTime::from_seconds(300);
        let message = bus.timed_pop_filtered(patience, &[gst::MessageType::Progress]);
        let message = message.expect("it ends");
        let gst::MessageView::Progress(progress) = message.view() else {
            unreachable!("only those were asked for");
        };
        silence = silence.max(last.elapsed());
        last = Instant::now();
        let (of, _, text) = progress.get();
        println!("{:.2} s: {text}", begun.elapsed().as_secs_f64());
        if of == ProgressType::Continue {
            let numbers = text.split(' ').filter_map(|word| word.parse().ok());
            let [done, frames]: [usize; 2] =
                numbers.collect::<Vec<_>>().try_into().expect("two numbers");
            assert_eq!(done, counted + 1, "{text}");
            assert!(counted == 0 || frames == total, "{text}");
            (counted, total) = (done, frames);
        }
        kind = of;
    }
    assert_eq!(kind, ProgressType::Complete);
    assert!(counted > 0 && counted == total, "{counted} of {total}");
    let warm_up = begun.elapsed();
    let info = info(VideoFormat::I420, width, height);
    let begun = Instant::now();
    let mut harness = harness(&element, &info);
    let out = (0..60).find_map(|i| {
        harness.push(frame(&info, i)).expect("a frame");
        harness.try_pull()
    });
    assert!(out.is_some() || harness.pull().is_ok(), "no frame came out");
    let first_frame = begun.elapsed();
    element.set_state(gst::State::Null).expect("NULL");
    Some(Start {
        warm_up,
        silence,
        first_frame,
    })
}

#[test]
fn a_start_is_told_in_messages_that_count_up() {
    let test = "gpu::driver::start::a_start_is_told_in_messages_that_count_up";
    if !virtual_gpu(test, &[("VIRTUAL_GPU_MEMORY_MIB", "12288")]) {
        return;
    }
    println!("| start | warm-up s | longest silence s | first frame s |");
    println!("|---|---|---|---|");
    for name in ["first of the process", "another"] {
        let Some(start) = start(432, 240) else { return };
        let [warm_up, silence, first_frame] =
            [start.warm_up, start.silence, start.first_frame].map(|time| time.as_secs_f64());
        println!("| {name} | {warm_up:.1} | {silence:.1} | {first_frame:.1} |");
    }
}
