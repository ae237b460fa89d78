//! One out for each one in, whatever the number, the time stamps and the direction.

use gst::{ClockTime, prelude::*};
use gst_video::VideoFormat;

use crate::element::support::*;

const SUBVIDEO: u32 = 12;

/// Streams `times` as frames in a segment of `rate`; what comes out, after EOS.
fn stream(element: &gst::Element, times: &[Option<ClockTime>], rate: f64) -> Vec<gst::Buffer> {
    let info = info(VideoFormat::I420, 32, 16);
    element.set_property("mask-regions", regions(&[[8, 4, 6, 6]]));
    let mut harness = harness(element, &info);
    let recorder = Recorder::on(&src_pad(element));
    if rate != 1.0 {
        let mut segment = gst::FormattedSegment::<ClockTime>::new();
        segment.set_rate(rate);
        segment.set_start(ClockTime::ZERO);
        segment.set_stop(ClockTime::from_seconds(10));
        segment.set_time(ClockTime::ZERO);
        assert!(harness.push_event(gst::event::Segment::new(&segment)));
    }
    for (i, time) in (0..).zip(times) {
        let mut buffer = frame(&info, i);
        let fresh = buffer.get_mut().unwrap();
        fresh.set_pts(*time);
        fresh.set_offset(i);
        harness.push(buffer).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    recorder.until(&Seen::Event(gst::EventType::Eos));
    std::iter::from_fn(|| harness.try_pull()).collect()
}

/// All frames, in order, with their times, each with its hole filled.
fn check(out: &[gst::Buffer], times: &[Option<ClockTime>]) {
    let offsets: Vec<_> = out.iter().map(|out| out.offset()).collect();
    assert_eq!(offsets, (0..times.len() as u64).collect::<Vec<_>>());
    for (out, time) in out.iter().zip(times) {
        assert_eq!(out.pts(), *time);
        let source = noise(out.size(), out.offset() + 1);
        assert_ne!(bytes(out), source, "frame {} is filled", out.offset());
    }
}

#[test]
fn any_number_of_frames_comes_out_in_either_mode() {
    for (mode, lookahead) in [
        ("reference", 10u32),
        ("sliding", 0),
        ("sliding", 1),
        ("sliding", 5),
    ] {
        let element = || {
            let element = element();
            element.set_property_from_str("mode", mode);
            element.set_property_from_str("late-policy", "wait");
            element.set_property("subvideo-length", SUBVIDEO);
            element.set_property("lookahead", lookahead);
            element
        };
        let probe = element();
        let _harness = harness(&probe, &info(VideoFormat::I420, 32, 16));
        let held = probe.property::<u64>("latency") / FRAME.nseconds();
        assert_eq!(held > 0, mode == "reference" || lookahead > 0);
        let around = |n: u64| [n.saturating_sub(1), n, n + 1];
        let mut counts = vec![0, 1, 2];
        counts.extend(around(held));
        for k in 1..=3 {
            counts.extend(around(k * u64::from(SUBVIDEO)));
        }
        for count in counts {
            let times: Vec<_> = (0..count).map(|i| Some(FRAME * i)).collect();
            let out = stream(&element(), &times, 1.0);
            assert_eq!(out.len() as u64, count, "{mode}");
            check(&out, &times);
        }
    }
}

#[test]
fn variable_frame_rates_and_frames_without_time_keep_their_times() {
    let milliseconds = [0, 40, 41, 300, 301, 900, 901, 902, 2500];
    let times = milliseconds.map(|ms| Some(ClockTime::from_mseconds(ms)));
    check(&stream(&element(), &times, 1.0), &times);
    let mut some = times;
    for lost in [1, 2, 5, 8] {
        some[lost] = None;
    }
    check(&stream(&element(), &some, 1.0), &some);
}

#[test]
fn reverse_playback_and_trick_modes_lose_no_frame() {
    let backwards: Vec<_> = (0..40).rev().map(|i| Some(FRAME * i)).collect();
    let skipping: Vec<_> = (0..40).map(|i| Some(FRAME * 4 * i)).collect();
    for (times, rate) in [
        (&backwards, -1.0),
        (&backwards, -4.0),
        (&skipping, 4.0),
        (&skipping, 0.25),
    ] {
        check(&stream(&element(), times, rate), times);
    }
}

#[test]
fn numbered_masks_follow_reverse_playback() {
    let folder = tempfile::tempdir().unwrap();
    // Image i: column 3·i.
    for i in 0..8u32 {
        let mut image = image::GrayImage::new(32, 16);
        (0..16).for_each(|y| image.put_pixel(3 * i, y, image::Luma([255])));
        image.save(folder.path().join(format!("{i}.png"))).unwrap();
    }
    let element = element();
    let pattern = folder.path().join("%d.png");
    element.set_property("mask-location", pattern.to_str().unwrap());
    element.set_property("mask-regions", regions(&[]));
    let info = info(VideoFormat::Rgb, 32, 16);
    let mut harness = harness(&element, &info);
    let mut segment = gst::FormattedSegment::<ClockTime>::new();
    segment.set_rate(-1.0);
    segment.set_stop(FRAME * 8);
    segment.set_time(ClockTime::ZERO);
    harness.push_event(gst::event::Segment::new(&segment));
    for i in (0..8).rev() {
        harness.push(frame(&info, i)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    for i in (0..8).rev() {
        let out = harness.pull().unwrap();
        assert_eq!(number(&out), i);
        let (source, out) = (noise(info.size(), i + 1), bytes(&out));
        let changed = (0..info.size()).filter(|&at| source[at] != out[at]);
        let columns: std::collections::BTreeSet<_> = changed.map(|at| at % 96 / 3).collect();
        assert_eq!(columns, [3 * i as usize].into());
    }
}

#[test]
fn segment_flags_go_on() {
    let element = element();
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&element, &info);
    let mut segment = gst::FormattedSegment::<ClockTime>::new();
    segment.set_rate(8.0);
    let flags = gst::SegmentFlags::TRICKMODE_KEY_UNITS | gst::SegmentFlags::SKIP;
    segment.set_flags(flags);
    harness.push_event(gst::event::Segment::new(&segment));
    harness.push(frame(&info, 0)).unwrap();
    harness.push_event(gst::event::Eos::new());
    harness.pull().unwrap();
    let sticky = harness
        .sinkpad()
        .unwrap()
        .sticky_event::<gst::event::Segment>(0);
    let sticky = sticky.unwrap();
    let out = sticky.segment().downcast_ref::<ClockTime>().unwrap();
    assert_eq!((out.flags(), out.rate()), (flags, 8.0));
}
