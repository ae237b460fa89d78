//! Bad settings and bad input: one clear error, and the stream ends.

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInterlaceMode};

use crate::element::support::*;

/// Pushes frames into the element until it refuses; the error it posted.
pub fn fails(element: &gst::Element) -> (String, gst::glib::Error) {
    let bus = bus(element);
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(element, &info);
    let recorder = Recorder::on(&src_pad(element));
    let refused = (0..1000).find_map(|i| harness.push(frame(&info, i)).err());
    assert_eq!(refused, Some(gst::FlowError::Error));
    let error = error(&bus);
    // Downstream is not left waiting.
    recorder.until(&Seen::Event(gst::EventType::Eos));
    assert!(bus.pop_filtered(&[gst::MessageType::Error]).is_none());
    error
}

#[cfg(feature = "networks")]
#[test]
fn missing_checkpoints_are_an_error_that_names_the_folder_and_the_remedy() {
    for model in ["propainter", "auto"] {
        let element = element();
        element.set_property_from_str("model", model);
        element.set_property("weights", "/nonexistent");
        let (text, kind) = fails(&element);
        assert!(text.contains("/nonexistent"), "{text}");
        assert!(text.contains("propainter weights fetch"), "{text}");
        assert!(kind.matches(gst::ResourceError::NotFound));
    }
}

#[cfg(feature = "networks")]
#[test]
fn checkpoints_that_are_none_are_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for network in propainter::weights::Network::ALL {
        let file = folder.path().join(&network.file_names()[0]);
        std::fs::write(file, "no checkpoint").unwrap();
    }
    let element = element();
    element.set_property_from_str("model", "propainter");
    element.set_property("weights", folder.path().to_str().unwrap());
    let (text, kind) = fails(&element);
    assert!(text.contains(folder.path().to_str().unwrap()), "{text}");
    assert!(kind.matches(gst::ResourceError::Read));
}

#[test]
fn a_device_that_means_nothing_is_an_error_that_names_it() {
    let element = element();
    element.set_property("device", "toaster");
    let (text, kind) = fails(&element);
    assert!(text.contains("toaster"), "{text}");
    assert!(kind.matches(gst::LibraryError::Settings));
}

#[test]
fn a_missing_mask_is_an_error_that_names_the_file() {
    for location in ["/nonexistent/mask.png", "/nonexistent/mask%05d.png"] {
        let element = element();
        element.set_property("mask-location", location);
        let (text, kind) = fails(&element);
        assert!(text.contains("/nonexistent/mask"), "{text}");
        assert!(kind.matches(gst::ResourceError::NotFound));
    }
}

#[test]
fn a_mask_that_is_no_image_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for content in [
        &b""[..],
        b"not an image",
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR",
    ] {
        let file = folder.path().join("mask.png");
        std::fs::write(&file, content).unwrap();
        let element = element();
        element.set_property("mask-location", file.to_str().unwrap());
        let (text, kind) = fails(&element);
        assert!(text.contains("mask.png"), "{text}");
        assert!(kind.matches(gst::ResourceError::Read), "{kind:?}");
    }
}

#[test]
fn a_flush_after_an_error_starts_again() {
    let element = element();
    let bus = bus(&element);
    element.set_property("mask-location", "/nonexistent/mask.png");
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&element, &info);
    harness.push(frame(&info, 0)).unwrap();
    error(&bus);
    element.set_property("mask-location", None::<&str>);
    harness.push_event(gst::event::FlushStart::new());
    harness.push_event(gst::event::FlushStop::new(true));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    harness.push_event(gst::event::Segment::new(&segment));
    let recorder = Recorder::on(&src_pad(&element));
    harness.push(frame(&info, 0)).unwrap();
    harness.push_event(gst::event::Eos::new());
    let seen = recorder.until(&Seen::Event(gst::EventType::Eos));
    assert_eq!(frames(&seen), [0]);
}

#[test]
fn interlaced_video_is_refused_with_what_to_insert() {
    let element = element();
    let bus = bus(&element);
    let progressive = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&element, &progressive);
    let interlaced = gst_video::VideoInfo::builder_from_info(&progressive)
        .interlace_mode(VideoInterlaceMode::Interleaved)
        .build()
        .unwrap();
    harness.push_event(gst::event::Caps::new(&interlaced.to_caps().unwrap()));
    let (text, kind) = error(&bus);
    assert!(text.contains("deinterlace"), "{text}");
    assert!(kind.matches(gst::StreamError::Format));
    let pushed = harness.push(frame(&interlaced, 0));
    assert_eq!(pushed, Err(gst::FlowError::NotNegotiated));
}

#[test]
fn an_interlaced_frame_in_a_mixed_stream_is_refused() {
    let progressive = info(VideoFormat::I420, 32, 16);
    let element = element();
    let bus = bus(&element);
    let mixed = gst_video::VideoInfo::builder_from_info(&progressive)
        .interlace_mode(VideoInterlaceMode::Mixed)
        .build()
        .unwrap();
    let mut harness = harness(&element, &mixed);
    harness.push(frame(&mixed, 0)).unwrap();
    let mut field = frame(&mixed, 1);
    let flags = gst_video::VideoBufferFlags::INTERLACED;
    gst_video::prelude::VideoBufferExt::set_video_flags(field.get_mut().unwrap(), flags);
    assert_eq!(harness.push(field), Err(gst::FlowError::Error));
    let (text, _) = error(&bus);
    assert!(text.contains("deinterlace"), "{text}");
}

#[test]
fn a_buffer_too_small_for_its_caps_is_an_error() {
    let element = element();
    let bus = bus(&element);
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&element, &info);
    let small = gst::Buffer::from_mut_slice(vec![0u8; 100]);
    assert_eq!(harness.push(small), Err(gst::FlowError::Error));
    let (text, kind) = error(&bus);
    assert!(text.contains("32x16"), "{text}");
    assert!(kind.matches(gst::StreamError::Format));
}

#[test]
fn frames_before_caps_are_not_negotiated() {
    let element = element();
    element.set_state(gst::State::Playing).unwrap();
    let pad = gst::Pad::builder(gst::PadDirection::Src).build();
    pad.set_active(true).unwrap();
    pad.link(&element.static_pad("sink").unwrap()).unwrap();
    pad.push_event(gst::event::StreamStart::new("video"));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    pad.push_event(gst::event::Segment::new(&segment));
    let pushed = pad.push(frame(&info(VideoFormat::I420, 32, 16), 0));
    assert_eq!(pushed, Err(gst::FlowError::NotNegotiated));
    element.set_state(gst::State::Null).unwrap();
}
