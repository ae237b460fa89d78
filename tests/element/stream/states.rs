//! State changes: nothing hangs, nothing stays behind.

use std::thread;

use gst::prelude::*;
use gst_video::VideoFormat;

use crate::element::support::*;

#[test]
fn null_and_playing_over_and_over_leaves_no_thread() {
    let element = element();
    element.set_property("mask-regions", regions(&[[2, 2, 6, 4]]));
    let info = info(VideoFormat::I420, 32, 16);
    for round in 0..20 {
        let mut harness = harness(&element, &info);
        let recorder = Recorder::on(&src_pad(&element));
        for i in 0..round {
            harness.push(frame(&info, i)).unwrap();
        }
        // Half of the rounds end in the middle of the stream.
        if round % 2 == 0 {
            harness.push_event(gst::event::Eos::new());
            let seen = recorder.until(&Seen::Event(gst::EventType::Eos));
            assert_eq!(frames(&seen), (0..round).collect::<Vec<_>>());
        }
        drop(harness);
        element.set_state(gst::State::Null).unwrap();
    }
    // The worker holds the element as long as it runs.
    let weak = element.downgrade();
    drop(element);
    assert!(weak.upgrade().is_none());
}

#[test]
fn null_ends_a_blocked_stream() {
    let element = element();
    // A mask that never comes keeps the worker in the middle of a frame.
    let masks = MaskSource::new(&element, 32, 16);
    let info = info(VideoFormat::I420, 32, 16);
    let harness = harness(&element, &info);
    let source = harness.srcpad().unwrap();
    let refused = thread::scope(|scope| {
        let pushing = scope.spawn(|| (0..1000).find_map(|i| source.push(frame(&info, i)).err()));
        element.set_state(gst::State::Null).unwrap();
        pushing.join().unwrap()
    });
    assert_eq!(refused, Some(gst::FlowError::Flushing));
    drop(masks);
}

#[test]
fn pipelines_with_two_elements_end() {
    init();
    let pipeline = gst::parse::launch(
        "videotestsrc num-buffers=20 ! video/x-raw,width=64,height=48,framerate=25/1 \
         ! propainter model=propagation device=cpu mask-regions=<<0,0,16,16>> ! tee name=t \
         t. ! queue ! propainter model=propagation device=cpu ! fakesink \
         t. ! queue ! videoconvert ! video/x-raw,format=RGBA \
         ! propainter model=propagation device=cpu mask-regions=<<8,8,9,9>> ! fakesink",
    )
    .unwrap();
    for _ in 0..3 {
        pipeline.set_state(gst::State::Playing).unwrap();
        let bus = pipeline.bus().unwrap();
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &kinds);
        let end = end.expect("an end");
        assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
        pipeline.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn seeking_a_pipeline_with_masks_gives_frames_from_there() {
    init();
    let pipeline = gst::parse::launch(
        "videotestsrc num-buffers=200 ! video/x-raw,width=64,height=48,framerate=25/1 \
         ! propainter name=p model=propagation device=cpu ! fakesink name=out sync=false \
         videotestsrc num-buffers=200 pattern=ball \
         ! video/x-raw,format=GRAY8,width=64,height=48,framerate=25/1 ! p.mask_sink",
    )
    .unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Paused).unwrap();
    let minute = gst::ClockTime::from_seconds(60);
    pipeline.state(minute).0.unwrap();
    let out = pipeline.by_name("out").unwrap();
    let recorder = Recorder::on(&out.static_pad("sink").unwrap());
    for target in [50, 10, 150] {
        recorder.forget();
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        pipeline.seek_simple(flags, FRAME * target).unwrap();
        pipeline.state(minute).0.unwrap();
        let seen = recorder.until(&Seen::Frame(target));
        assert_eq!(frames(&seen).first(), Some(&target));
    }
    pipeline.set_state(gst::State::Null).unwrap();
}
