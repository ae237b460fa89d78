//! Flushes, seeks and state changes in the middle of work, over and over.

use std::{fs, sync::atomic::Ordering, thread};

use gst::{ClockTime, prelude::*};
use gst_video::VideoFormat;
use propainter_elements::Propainter;
use propainter_tests::alone::alone;

use crate::element::{support::live::*, support::*};

/// Threads of this process.
fn threads() -> usize {
    fs::read_dir("/proc/self/task")
        .expect("this is Linux")
        .count()
}

/// Bytes of this process that are resident.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes
        .and_then(|text| text.parse::<u64>().ok())
        .expect("a number")
        << 10
}

/// A stream whose engine is in the middle of a frame that never ends by itself.
fn computing() -> (Live, gst::Pad) {
    let element = element();
    element.set_property_from_str("late-policy", "wait");
    let live = Live::with(element, Load::until_cancelled());
    let source = live.harness.srcpad().expect("a source pad");
    source
        .push(frame(&live.info, 0))
        .expect("the first frame is taken");
    until(|| live.load.frames() > 0);
    (live, source)
}

#[test]
fn a_flush_in_the_middle_of_a_frame_returns_and_the_next_stream_starts() {
    let (mut live, source) = computing();
    for round in 1..=20 {
        let before = live.load.frames();
        source.push_event(gst::event::FlushStart::new());
        source.push_event(gst::event::FlushStop::new(true));
        let segment = gst::FormattedSegment::<ClockTime>::new();
        source.push_event(gst::event::Segment::new(&segment));
        source.push(frame(&live.info, round)).expect("taken");
        until(|| live.load.frames() > before);
    }
    live.load.release();
    let recorder = Recorder::on(&src_pad(&live.element));
    live.harness.push_event(gst::event::Eos::new());
    let seen = recorder.until(&Seen::Event(gst::EventType::Eos));
    assert_eq!(frames(&seen), [20]);
}

#[test]
fn null_in_the_middle_of_a_frame_returns() {
    for _ in 0..10 {
        let (live, _) = computing();
        live.element.set_state(gst::State::Null).unwrap();
        // What hangs once is cancelled once: the worker has ended.
        let weak = live.element.downgrade();
        let element = weak.upgrade().expect("still here");
        let stats: gst::Structure = element.property("stats");
        assert_eq!(stats.get("held"), Ok(0u32));
    }
}

#[cfg(feature = "networks")]
#[test]
fn a_device_that_is_opening_does_not_hold_up_null() {
    // The networks' checkpoints take a while to read.
    let Some(weights) = propainter_tests::golden::weights_folder() else {
        return;
    };
    // Under names of their own, as networks that another test holds would not be read again.
    let own = tempfile::tempdir().expect("a folder");
    for file in std::fs::read_dir(weights).expect("the folder of the weights") {
        let file = file.expect("a file");
        std::os::unix::fs::symlink(file.path(), own.path().join(file.file_name())).expect("a link");
    }
    let element = element();
    element.set_property_from_str("model", "propainter");
    element.set_property("weights", own.path().to_str().expect("UTF-8"));
    let info = info(VideoFormat::I420, 64, 64);
    for _ in 0..3 {
        let mut harness = harness(&element, &info);
        harness.push(frame(&info, 0)).unwrap();
        until(|| element.property::<gst::Structure>("stats").get("working") == Ok(true));
        drop(harness);
        element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn fifty_times_null_and_playing_leave_nothing() {
    let round = |element: &gst::Element| {
        let info = info(VideoFormat::I420, 64, 48);
        let mut harness = harness(element, &info);
        for i in 0..10 {
            harness.push(frame(&info, i)).unwrap();
        }
        drop(harness);
        element.set_state(gst::State::Null).unwrap();
    };
    // In a process of its own: other tests have threads and memory of theirs.
    if !alone(
        "element::stream::endurance::fifty_times_null_and_playing_leave_nothing",
        &[],
    ) {
        return;
    }
    let element = element();
    element.set_property("mask-regions", regions(&[[8, 8, 20, 20]]));
    (0..10).for_each(|_| round(&element));
    let running = threads();
    // What leaks grows every time, the allocator's leftovers do not.
    let grown = (0..3).map(|_| {
        let before = resident();
        (0..50).for_each(|_| round(&element));
        resident().saturating_sub(before)
    });
    let grown = grown.min().expect("three times");
    println!("{grown} bytes more after 50 rounds, at least");
    assert!(grown < 1 << 19, "{grown} bytes more after 50 rounds");
    // The library keeps a few threads of its own for tasks to come.
    let (left, rounds) = (threads(), 150);
    assert!(
        left < running + rounds / 10,
        "{running} threads became {left}"
    );
}

/// A pipeline with so many elements in a row, the first of them with masks.
fn pipeline(elements: usize, length: u32) -> gst::Pipeline {
    init();
    let one = "propainter model=propagation device=cpu scene-cuts=false \
               mask-regions=<<0,0,16,16>>";
    let chain = vec![one; elements - 1].join(" ! ");
    let chain = if elements > 1 {
        format!("! {chain}")
    } else {
        String::new()
    };
    let line = format!(
        "videotestsrc num-buffers={length} pattern=ball \
         ! video/x-raw,width=64,height=48,framerate=25/1 \
         ! propainter name=p model=propagation device=cpu scene-cuts=false {chain} \
         ! fakesink name=out sync=false \
         videotestsrc num-buffers={length} pattern=ball \
         ! video/x-raw,format=GRAY8,width=64,height=48,framerate=25/1 ! queue ! p.mask_sink"
    );
    let pipeline = gst::parse::launch(&line).expect("a valid line");
    pipeline.downcast().expect("a pipeline")
}

/// The end of a pipeline, which must be a good one.
fn finish(pipeline: &gst::Pipeline) {
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let bus = pipeline.bus().expect("a bus");
    let patience = ClockTime::from_seconds(PATIENCE.as_secs());
    let end = bus.timed_pop_filtered(patience, &kinds).expect("an end");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
}

#[test]
fn a_storm_of_seeks_ends_where_the_last_one_leads() {
    let pipeline = pipeline(1, 100_000);
    pipeline.set_state(gst::State::Paused).unwrap();
    let patience = ClockTime::from_seconds(PATIENCE.as_secs());
    pipeline.state(patience).0.unwrap();
    let out = pipeline.by_name("out").unwrap();
    let recorder = Recorder::on(&out.static_pad("sink").unwrap());
    pipeline.set_state(gst::State::Playing).unwrap();
    let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
    for target in (0..100u64).map(|i| (i * 37) % 390) {
        pipeline.seek_simple(flags, FRAME * target).unwrap();
    }
    recorder.forget();
    let kind = gst::SeekType::Set;
    pipeline
        .seek(1.0, flags, kind, FRAME * 380, kind, FRAME * 400)
        .unwrap();
    finish(&pipeline);
    let seen = recorder.so_far();
    let last: Vec<_> = seen
        .rsplit(|seen| *seen == Seen::Event(gst::EventType::FlushStop))
        .next()
        .map(frames)
        .unwrap();
    assert_eq!(last, (380..400).collect::<Vec<_>>());
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn two_and_four_elements_in_a_row_give_every_frame() {
    for elements in [2, 4] {
        let pipeline = pipeline(elements, 120);
        let out = pipeline.by_name("out").unwrap();
        let recorder = Recorder::on(&out.static_pad("sink").unwrap());
        for _ in 0..2 {
            recorder.forget();
            pipeline.set_state(gst::State::Playing).unwrap();
            finish(&pipeline);
            assert_eq!(frames(&recorder.so_far()), (0..120).collect::<Vec<_>>());
            pipeline.set_state(gst::State::Null).unwrap();
        }
        // And in the middle of it.
        pipeline.set_state(gst::State::Playing).unwrap();
        recorder.forget();
        recorder.until(&Seen::Frame(20));
        pipeline.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn the_element_can_be_asked_and_changed_from_other_threads_meanwhile() {
    let element = element();
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&element, &info);
    let stop = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..3 {
            let (element, stop) = (&element, &stop);
            scope.spawn(move || {
                let mut i = 0;
                while !stop.load(Ordering::SeqCst) {
                    i = (i + 1) % 8;
                    element.set_property("mask-regions", regions(&[[i, number, 4, 4]]));
                    element.set_property_from_str("late-policy", ["wait", "fill"][i as usize % 2]);
                    element.property::<gst::Structure>("stats");
                    src_pad(element).query(&mut gst::query::Latency::new());
                    thread::yield_now();
                }
            });
        }
        for i in 0..300 {
            harness.push(frame(&info, i)).unwrap();
        }
        harness.push_event(gst::event::Eos::new());
        for i in 0..300 {
            assert_eq!(number(&harness.pull().unwrap()), i);
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert!(element.is::<Propainter>());
}
