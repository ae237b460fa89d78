//! Masks from `mask_sink` that are not in step with the video.

use std::{ops::Range, thread};

use gst::{ClockTime, prelude::*};
use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};

use crate::element::{support::live::until, support::*};

const WIDTH: usize = 64;
const HEIGHT: usize = 16;
const SIZE: (usize, usize) = (WIDTH, HEIGHT);

fn rgb() -> VideoInfo {
    info(VideoFormat::Rgb, WIDTH as u32, HEIGHT as u32)
}

fn start() -> (gst::Element, MaskSource, Harness) {
    let element = element();
    let masks = MaskSource::new(&element, WIDTH as u32, HEIGHT as u32);
    let harness = harness(&element, &rgb());
    (element, masks, harness)
}

fn push_all(harness: &mut Harness, range: Range<u64>) {
    for i in range {
        harness.push(frame(&rgb(), i)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
}

fn pull_all(harness: &mut Harness, range: Range<u64>) -> Vec<Option<Range<usize>>> {
    range
        .map(|i| changed(&harness.pull().unwrap(), SIZE, i))
        .collect()
}

fn eight(i: u64) -> Range<usize> {
    let start = 8 * (i as usize % 8);
    start..start + 8
}

#[test]
fn the_size_of_masks_may_change_in_mid_stream() {
    let (_element, masks, mut harness) = start();
    masks
        .push(SIZE, 8..16, Some(ClockTime::ZERO), Some(FRAME * 2))
        .unwrap();
    let small = info(VideoFormat::Gray8, 16, 4).to_caps().unwrap();
    masks.pad.push_event(gst::event::Caps::new(&small));
    masks
        .push((16, 4), 8..12, Some(FRAME * 2), Some(FRAME * 2))
        .unwrap();
    // An odd size, whose rows are padded.
    let odd = info(VideoFormat::Gray8, 3, 5).to_caps().unwrap();
    masks.pad.push_event(gst::event::Caps::new(&odd));
    masks
        .push((3, 5), 0..1, Some(FRAME * 4), Some(FRAME * 2))
        .unwrap();
    masks.end();
    push_all(&mut harness, 0..6);
    let third = WIDTH / 3;
    let expected = [8..16, 8..16, 32..48, 32..48].map(Some);
    let seen = pull_all(&mut harness, 0..6);
    assert_eq!(seen[..4], expected);
    for columns in &seen[4..] {
        let columns = columns.clone().unwrap();
        assert_eq!(columns.start, 0);
        assert!(columns.end.abs_diff(third) <= 1, "{columns:?}");
    }
}

#[test]
fn of_masks_of_twice_the_rate_every_second_serves() {
    let (_element, masks, mut harness) = start();
    thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..16 {
                let (time, duration) = (FRAME * i / 2, FRAME / 2);
                masks
                    .push(SIZE, eight(i), Some(time), Some(duration))
                    .unwrap();
            }
            masks.end();
        });
        push_all(&mut harness, 0..8);
    });
    let expected: Vec<_> = (0..8).map(|i| Some(eight(2 * i))).collect();
    assert_eq!(pull_all(&mut harness, 0..8), expected);
}

#[test]
fn of_masks_of_30_a_second_each_frame_has_the_latest() {
    let (_element, masks, mut harness) = start();
    thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..12u64 {
                let at = |i| ClockTime::SECOND * i / 30;
                masks
                    .push(SIZE, eight(i), Some(at(i)), Some(at(i + 1) - at(i)))
                    .unwrap();
            }
            masks.end();
        });
        push_all(&mut harness, 0..10);
    });
    // Frame i is at i/25 s: the latest mask is number 30·i/25.
    let expected: Vec<_> = (0..10).map(|i| Some(eight(30 * i / 25))).collect();
    assert_eq!(pull_all(&mut harness, 0..10), expected);
}

#[test]
fn frames_wait_for_masks_that_come_late() {
    let (element, masks, mut harness) = start();
    let recorder = Recorder::on(&src_pad(&element));
    for i in 0..4 {
        harness.push(frame(&rgb(), i)).unwrap();
    }
    assert_eq!(frames(&recorder.so_far()), [0u64; 0]);
    for i in 0..4 {
        masks
            .push(SIZE, eight(i), Some(FRAME * i), Some(FRAME))
            .unwrap();
    }
    masks.end();
    harness.push_event(gst::event::Eos::new());
    let expected: Vec<_> = (0..4).map(|i| Some(eight(i))).collect();
    assert_eq!(pull_all(&mut harness, 0..4), expected);
}

#[test]
fn masks_whose_time_is_over_before_the_video_begins_are_passed() {
    let (_element, masks, mut harness) = start();
    thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..16 {
                masks
                    .push(SIZE, eight(i), Some(FRAME * i), Some(FRAME))
                    .unwrap();
            }
            masks.end();
        });
        push_all(&mut harness, 11..16);
    });
    let expected: Vec<_> = (11..16).map(|i| Some(eight(i))).collect();
    assert_eq!(pull_all(&mut harness, 11..16), expected);
}

#[test]
fn frames_before_the_first_mask_stay_as_they_are() {
    let (_element, masks, mut harness) = start();
    masks
        .push(SIZE, 8..24, Some(FRAME * 3), Some(FRAME * 4))
        .unwrap();
    masks.end();
    push_all(&mut harness, 0..6);
    let seen = pull_all(&mut harness, 0..6);
    assert_eq!(seen[..3], [None, None, None]);
    assert_eq!(seen[3..], vec![Some(8..24); 3]);
}

#[test]
fn masks_that_ended_before_the_video_came_leave_the_last_one() {
    let element = element();
    let masks = MaskSource::new(&element, WIDTH as u32, HEIGHT as u32);
    let mut harness = harness(&element, &rgb());
    for i in 0..3 {
        masks
            .push(SIZE, eight(i), Some(FRAME * i), Some(FRAME))
            .unwrap();
    }
    masks.end();
    push_all(&mut harness, 0..6);
    let expected: Vec<_> = (0..6u64).map(|i| Some(eight(i.min(2)))).collect();
    assert_eq!(pull_all(&mut harness, 0..6), expected);
}

#[test]
fn a_frame_that_waits_for_its_mask_goes_when_the_masks_are_unlinked_or_released() {
    for release in [false, true] {
        let element = element();
        element.set_property_from_str("late-policy", "wait");
        let info = info(VideoFormat::I420, 16, 16);
        let masks = MaskSource::new(&element, 16, 16);
        let recorder = Recorder::on(&src_pad(&element));
        let mut harness = harness(&element, &info);
        harness.push(frame(&info, 0)).unwrap();
        until(|| element.property::<gst::Structure>("stats").get("computing") == Ok(1u32));
        if release {
            drop(masks);
        } else {
            let sink = masks.pad.peer().expect("it is linked");
            masks.pad.unlink(&sink).unwrap();
        }
        harness.push_event(gst::event::Eos::new());
        recorder.until(&Seen::Event(gst::EventType::Eos));
        assert_eq!(bytes(&harness.pull().unwrap()), noise(info.size(), 1));
    }
}
