use std::{
    fs,
    time::{Duration, Instant},
};

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
    /// Time of the processor for all of it, in seconds.
    processor: f64,
}

/// Returns the processor's time that this process has taken, in seconds.
fn processor() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|n| n.parse::<u64>().expect("ticks")).sum();
    ticks as f64 / 100.0
}

/// Starts an element with the networks on the virtual GPU, and pushes frames until one comes out.
/// Fails unless its messages count up.
fn start(mode: &str, width: u32, height: u32) -> Option<Start> {
    let weights = weights_folder()?;
    let element = element();
    element.set_property("device", "cuda:0");
    element.set_property_from_str("model", "propainter");
    element.set_property("weights", weights.to_str().expect("UTF-8"));
    element.set_property_from_str("mode", mode);
    let hole = [width, height, width, height].map(|side| side as i32 / 3);
    element.set_property("mask-regions", regions(&[hole]));
    let bus = bus(&element);
    let (begun, processor_before) = (Instant::now(), processor());
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
    // Two windows, however long a sub-video is.
    assert!(total <= 21, "{total} frames");
    let warm_up = begun.elapsed();
    let info = info(VideoFormat::I420, width, height);
    // As many frames as the mode waits for, and the end of the stream.
    let begun = Instant::now();
    let mut harness = harness(&element, &info);
    for i in 0..20 {
        harness.push(frame(&info, i)).expect("a frame");
    }
    harness.push_event(gst::event::Eos::new());
    harness.pull().expect("a frame comes out");
    let first_frame = begun.elapsed();
    element.set_state(gst::State::Null).expect("NULL");
    Some(Start {
        warm_up,
        silence,
        first_frame,
        processor: processor() - processor_before,
    })
}

#[test]
fn a_start_is_told_in_messages_that_count_up() {
    let test = "gpu::driver::start::a_start_is_told_in_messages_that_count_up";
    if !virtual_gpu(test, &[("VIRTUAL_GPU_MEMORY_MIB", "12288")]) {
        return;
    }
    println!("| mode, start | warm-up s | longest silence s | first frame s | processor s |");
    println!("|---|---|---|---|---|");
    for name in ["sliding, first", "sliding, second", "reference, second"] {
        let mode = name.split(',').next().expect("a mode");
        let Some(start) = start(mode, 432, 240) else {
            return;
        };
        let [warm_up, silence, first_frame] =
            [start.warm_up, start.silence, start.first_frame].map(|time| time.as_secs_f64());
        let processor = start.processor;
        println!("| {name} | {warm_up:.1} | {silence:.1} | {first_frame:.1} | {processor:.1} |");
        assert!(processor <= 10.0, "{name}: {processor} s of the processor");
    }
}
