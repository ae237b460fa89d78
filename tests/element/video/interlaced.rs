//! Interlaced video is refused with a message that names the way out.

use gst::prelude::*;
use gst_check::Harness;
use gst_video::{
    CAPS_FEATURE_FORMAT_INTERLACED, VideoBufferFlags, VideoFieldOrder, VideoFormat, VideoInfo,
    VideoInterlaceMode,
};

use crate::element::support::*;

fn interlaced(mode: VideoInterlaceMode) -> gst::Caps {
    init();
    let mut builder = VideoInfo::builder(VideoFormat::I420, 32, 16)
        .fps(gst::Fraction::new(25, 1))
        .interlace_mode(mode);
    if mode == VideoInterlaceMode::Interleaved {
        builder = builder.field_order(VideoFieldOrder::TopFieldFirst);
    }
    let caps = builder.build().unwrap().to_caps().unwrap();
    let has_fields = caps
        .features(0)
        .is_some_and(|features| features.contains(CAPS_FEATURE_FORMAT_INTERLACED));
    assert_eq!(has_fields, mode == VideoInterlaceMode::Alternate);
    caps
}

fn ready(element: &gst::Element) -> Harness {
    let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
    harness.play();
    harness.push_event(gst::event::StreamStart::new("video"));
    harness
}

fn names_the_way_out(bus: &gst::Bus) {
    let (text, error) = error(bus);
    assert!(text.contains("insert 'deinterlace'"), "{text}");
    assert!(error.matches(gst::StreamError::Format), "{error}");
}

#[test]
fn caps_of_every_interlaced_kind_are_refused_by_name() {
    for mode in [
        VideoInterlaceMode::Interleaved,
        VideoInterlaceMode::Fields,
        VideoInterlaceMode::Alternate,
    ] {
        let element = element();
        let bus = bus(&element);
        let mut harness = ready(&element);
        let caps = interlaced(mode);
        // The event is sticky: that it is refused shows in the message and at the next frame.
        harness.push_event(gst::event::Caps::new(&caps));
        names_the_way_out(&bus);
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        harness.push_event(gst::event::Segment::new(&segment));
        let frame = frame(&info(VideoFormat::I420, 32, 16), 0);
        let refused = harness.push(frame);
        assert_eq!(refused, Err(gst::FlowError::NotNegotiated), "{mode:?}");
    }
}

#[test]
fn of_mixed_video_interlaced_frames_are_refused_and_others_are_not() {
    let element = element();
    let bus = bus(&element);
    element.set_property("mask-regions", regions(&[[2, 2, 6, 4]]));
    let mut harness = ready(&element);
    let caps = interlaced(VideoInterlaceMode::Mixed);
    assert!(harness.push_event(gst::event::Caps::new(&caps)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    harness.push_event(gst::event::Segment::new(&segment));
    let info = info(VideoFormat::I420, 32, 16);
    for i in 0..3 {
        harness.push(frame(&info, i)).unwrap();
    }
    harness
        .srcpad()
        .unwrap()
        .peer_query(&mut gst::query::Drain::new());
    for i in 0..3 {
        assert_eq!(number(&harness.pull().unwrap()), i);
    }
    let mut woven = frame(&info, 3);
    let flags = VideoBufferFlags::INTERLACED | VideoBufferFlags::TFF;
    gst_video::prelude::VideoBufferExt::set_video_flags(woven.get_mut().unwrap(), flags);
    assert_eq!(harness.push(woven), Err(gst::FlowError::Error));
    names_the_way_out(&bus);
}

#[test]
fn deinterlaced_video_is_taken() {
    init();
    let pipeline = gst::parse::launch(
        "videotestsrc num-buffers=4 ! video/x-raw,width=32,height=16,format=I420 ! interlace \
         field-pattern=1:1 ! deinterlace ! propainter model=propagation device=cpu \
         mask-regions=\"<<2,2,6,4>>\" ! fakesink",
    )
    .unwrap();
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let end = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    let end = end.expect("an end");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
}
