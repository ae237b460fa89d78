//! Where holes come from.

use std::{ops::Range, path::Path, thread};

use gst::{ClockTime, EventType, prelude::*};
use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};

use crate::element::support::*;

const WIDTH: usize = 64;
const HEIGHT: usize = 16;
const SIZE: (usize, usize) = (WIDTH, HEIGHT);

fn rgb() -> VideoInfo {
    info(VideoFormat::Rgb, WIDTH as u32, HEIGHT as u32)
}

fn push_all(harness: &mut Harness, count: u64) {
    for i in 0..count {
        harness.push(frame(&rgb(), i)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
}

/// The changed columns of all frames.
fn pull_all(harness: &mut Harness, count: u64) -> Vec<Option<Range<usize>>> {
    (0..count)
        .map(|i| changed(&harness.pull().unwrap(), SIZE, i))
        .collect()
}

/// Frame by frame, its own eight columns.
fn eight(i: u64) -> Range<usize> {
    let start = 8 * (i as usize % 8);
    start..start + 8
}

#[test]
fn masks_of_equal_rate_match_one_to_one() {
    let element = element();
    let masks = MaskSource::new(&element, WIDTH as u32, HEIGHT as u32);
    let mut harness = harness(&element, &rgb());
    thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..16 {
                masks
                    .push((WIDTH, HEIGHT), eight(i), Some(FRAME * i), Some(FRAME))
                    .unwrap();
            }
            masks.end();
        });
        push_all(&mut harness, 16);
    });
    let expected: Vec<_> = (0..16).map(|i| Some(eight(i))).collect();
    assert_eq!(pull_all(&mut harness, 16), expected);
}

#[test]
fn masks_and_frames_without_time_match_one_to_one() {
    let element = element();
    let masks = MaskSource::new(&element, WIDTH as u32, HEIGHT as u32);
    let mut harness = harness(&element, &rgb());
    thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..8 {
                masks.push((WIDTH, HEIGHT), eight(i), None, None).unwrap();
            }
            masks.end();
        });
        push_all(&mut harness, 8);
    });
    let expected: Vec<_> = (0..8).map(|i| Some(eight(i))).collect();
    assert_eq!(pull_all(&mut harness, 8), expected);
}

#[test]
fn a_still_mask_holds_to_the_end() {
    let element = element();
    let masks = MaskSource::new(&element, WIDTH as u32, HEIGHT as u32);
    let mut harness = harness(&element, &rgb());
    let still = masks.push((WIDTH, HEIGHT), 8..24, Some(ClockTime::ZERO), None);
    still.unwrap();
    masks.end();
    push_all(&mut harness, 12);
    assert_eq!(pull_all(&mut harness, 12), vec![Some(8..24); 12]);
}

#[test]
fn a_mask_of_another_size_is_scaled() {
    let element = element();
    let masks = MaskSource::new(&element, 16, 4);
    let mut harness = harness(&element, &rgb());
    masks
        .push((16, 4), 2..5, Some(ClockTime::ZERO), None)
        .unwrap();
    masks.end();
    push_all(&mut harness, 7);
    assert_eq!(pull_all(&mut harness, 7), vec![Some(8..20); 7]);
}

#[test]
fn masks_of_half_the_rate_serve_two_frames_each() {
    let element = element();
    let masks = MaskSource::new(&element, WIDTH as u32, HEIGHT as u32);
    let mut harness = harness(&element, &rgb());
    for i in 0..4 {
        masks
            .push(
                (WIDTH, HEIGHT),
                eight(i),
                Some(FRAME * 2 * i),
                Some(FRAME * 2),
            )
            .unwrap();
    }
    masks.end();
    push_all(&mut harness, 8);
    let expected: Vec<_> = (0..8).map(|i| Some(eight(i / 2))).collect();
    assert_eq!(pull_all(&mut harness, 8), expected);
}

#[test]
fn masks_that_end_without_a_picture_or_are_not_linked_leave_frames_alone() {
    let ended = element();
    let masks = MaskSource::new(&ended, WIDTH as u32, HEIGHT as u32);
    let mut first = harness(&ended, &rgb());
    masks.end();
    push_all(&mut first, 7);
    assert_eq!(pull_all(&mut first, 7), vec![None; 7]);

    let unlinked = element();
    unlinked.request_pad_simple("mask_sink").unwrap();
    let mut second = harness(&unlinked, &rgb());
    push_all(&mut second, 7);
    assert_eq!(pull_all(&mut second, 7), vec![None; 7]);
}

#[test]
fn the_mask_pad_can_go_and_come_back() {
    let element = element();
    let pad = element.request_pad_simple("mask_sink").unwrap();
    element.release_request_pad(&pad);
    assert!(element.request_pad_simple("mask_sink").is_some());
}

#[test]
fn masks_ahead_of_the_video_wait_and_are_let_go() {
    let element = element();
    let masks = MaskSource::new(&element, WIDTH as u32, HEIGHT as u32);
    let harness = harness(&element, &rgb());
    let refused = thread::scope(|scope| {
        let pushing = scope.spawn(|| {
            (0..1000).find_map(|i| {
                masks
                    .push((WIDTH, HEIGHT), eight(i), Some(FRAME * i), Some(FRAME))
                    .err()
            })
        });
        element.set_state(gst::State::Null).unwrap();
        pushing.join().unwrap()
    });
    assert_eq!(refused, Some(gst::FlowError::Flushing));
    drop(harness);
}

#[test]
fn a_flush_of_the_masks_forgets_them_and_goes_no_further() {
    let element = element();
    let masks = MaskSource::new(&element, WIDTH as u32, HEIGHT as u32);
    let mut harness = harness(&element, &rgb());
    let recorder = Recorder::on(&src_pad(&element));
    masks
        .push((WIDTH, HEIGHT), 0..8, Some(ClockTime::ZERO), None)
        .unwrap();
    masks.pad.push_event(gst::event::FlushStart::new());
    masks.pad.push_event(gst::event::FlushStop::new(true));
    masks.start(WIDTH as u32, HEIGHT as u32);
    masks
        .push((WIDTH, HEIGHT), 24..40, Some(ClockTime::ZERO), None)
        .unwrap();
    masks.end();
    push_all(&mut harness, 7);
    assert_eq!(pull_all(&mut harness, 7), vec![Some(24..40); 7]);
    let flushes = [EventType::FlushStart, EventType::FlushStop].map(Seen::Event);
    assert!(!recorder.so_far().iter().any(|seen| flushes.contains(seen)));
}

fn write_mask(file: &Path, columns: Range<usize>) {
    let image = image::GrayImage::from_fn(WIDTH as u32, HEIGHT as u32, |x, _| {
        image::Luma([if columns.contains(&(x as usize)) {
            255
        } else {
            0
        }])
    });
    image.save(file).unwrap();
}

#[test]
fn mask_location_is_one_image_or_one_for_each_frame() {
    let folder = tempfile::tempdir().unwrap();
    let still = folder.path().join("100%.png");
    write_mask(&still, 16..32);
    let element = element();
    element.set_property("mask-location", still.to_str().unwrap());
    let mut first = harness(&element, &rgb());
    push_all(&mut first, 7);
    assert_eq!(pull_all(&mut first, 7), vec![Some(16..32); 7]);

    // From 0 or from 1; past the last one, the last stays.
    for start in [0, 1] {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..6 {
            let name = format!("m{:03}.png", i + start);
            write_mask(&folder.path().join(name), eight(i));
        }
        let pattern = folder.path().join("m%03d.png");
        let element = crate::element::support::element();
        element.set_property("mask-location", pattern.to_str().unwrap());
        let mut harness = harness(&element, &rgb());
        push_all(&mut harness, 8);
        let expected: Vec<_> = (0..8u64).map(|i| Some(eight(i.min(5)))).collect();
        assert_eq!(pull_all(&mut harness, 8), expected);
    }
}

#[test]
fn numbered_masks_follow_a_seek() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..16 {
        write_mask(&folder.path().join(format!("{i}.png")), eight(i));
    }
    let element = element();
    let pattern = folder.path().join("%d.png");
    element.set_property("mask-location", pattern.to_str().unwrap());
    let mut harness = harness(&element, &rgb());
    harness.push(frame(&rgb(), 0)).unwrap();
    harness.push_event(gst::event::FlushStart::new());
    harness.push_event(gst::event::FlushStop::new(true));
    let mut segment = gst::FormattedSegment::<ClockTime>::new();
    segment.set_start(FRAME * 5);
    segment.set_time(FRAME * 5);
    harness.push_event(gst::event::Segment::new(&segment));
    for i in 5..8 {
        harness.push(frame(&rgb(), i)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    let mut outs: Vec<_> = (0..3).map(|_| harness.pull().unwrap()).collect();
    outs.retain(|out| number(out) >= 5);
    for out in outs {
        let i = number(&out);
        assert_eq!(changed(&out, SIZE, i), Some(eight(i)));
    }
}

#[test]
fn sources_are_united_and_change_while_playing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mask.png");
    write_mask(&file, 0..8);
    let element = element();
    element.set_property("mask-location", file.to_str().unwrap());
    element.set_property("mask-regions", regions(&[[24, 0, 8, 16]]));
    let masks = MaskSource::new(&element, 32, 8);
    let mut harness = harness(&element, &rgb());
    masks
        .push((32, 8), 4..12, Some(ClockTime::ZERO), None)
        .unwrap();
    masks.end();
    let one = |harness: &mut Harness, i| {
        harness.push(frame(&rgb(), i)).unwrap();
        // Drained, so that the next setting is not this frame's.
        let source = harness.srcpad().unwrap();
        source.peer_query(&mut gst::query::Drain::new());
        changed(&harness.pull().unwrap(), SIZE, i)
    };
    assert_eq!(one(&mut harness, 0), Some(0..32));
    element.set_property(
        "mask-regions",
        regions(&[[60, 3, 100, 2], [-5, -5, 8, 100]]),
    );
    assert_eq!(one(&mut harness, 1), Some(0..64));
    element.set_property("mask-regions", regions(&[]));
    assert_eq!(one(&mut harness, 2), Some(0..24));
    element.set_property("mask-location", None::<&str>);
    assert_eq!(one(&mut harness, 3), Some(8..24));
}

#[test]
fn a_bad_location_while_playing_is_a_warning_and_the_mask_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mask.png");
    write_mask(&file, 16..32);
    let element = element();
    let bus = bus(&element);
    element.set_property("mask-location", file.to_str().unwrap());
    let mut harness = harness(&element, &rgb());
    harness.push(frame(&rgb(), 0)).unwrap();
    harness
        .srcpad()
        .unwrap()
        .peer_query(&mut gst::query::Drain::new());
    element.set_property("mask-location", "/nonexistent/mask.png");
    for i in 1..8 {
        harness.push(frame(&rgb(), i)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    assert_eq!(pull_all(&mut harness, 8), vec![Some(16..32); 8]);
    let kinds = [gst::MessageType::Warning];
    let warning = bus.pop_filtered(&kinds).expect("a warning");
    let gst::MessageView::Warning(warning) = warning.view() else {
        unreachable!("only warnings were asked for");
    };
    let text = warning.error().message().to_owned();
    assert!(text.contains("/nonexistent/mask.png"), "{text}");
    assert!(bus.pop_filtered(&kinds).is_none(), "one warning only");
}
