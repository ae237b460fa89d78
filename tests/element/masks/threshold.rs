//! Thresholds, inversion, alpha and regions of interest.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use gst::{ClockTime, prelude::*};
use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo, VideoRegionOfInterestMeta};
use propainter::Mask;

use crate::element::{spots::*, support::*};

const WIDTH: usize = 64;
const HEIGHT: usize = 16;
const SIZE: (usize, usize) = (WIDTH, HEIGHT);

fn rgb() -> VideoInfo {
    info(VideoFormat::Rgb, WIDTH as u32, HEIGHT as u32)
}

/// Dark to bright in four steps of 16 columns.
fn steps(x: usize) -> u8 {
    [0, 50, 150, 255][x / 16]
}

/// The threshold, whether inverted, and what is hole of [`steps`].
const CUTS: [(u32, bool, Option<Range<usize>>); 8] = [
    (0, false, Some(16..64)),
    (49, false, Some(16..64)),
    (50, false, Some(32..64)),
    (254, false, Some(48..64)),
    (255, false, None),
    (0, true, Some(0..16)),
    (50, true, Some(0..32)),
    (255, true, Some(0..64)),
];

/// Frame `i`, out and drained, so that the next setting is not its.
fn one(harness: &mut Harness, buffer: gst::Buffer) -> gst::Buffer {
    harness.push(buffer).unwrap();
    let source = harness.srcpad().unwrap();
    source.peer_query(&mut gst::query::Drain::new());
    harness.pull().unwrap()
}

fn cuts_apply(element: &gst::Element, mut harness: Harness) {
    for (i, (threshold, invert, hole)) in (0..).zip(CUTS) {
        element.set_property("mask-threshold", threshold);
        element.set_property("mask-invert", invert);
        let out = one(&mut harness, frame(&rgb(), i));
        assert_eq!(changed(&out, SIZE, i), hole, "{threshold} {invert}");
    }
}

fn write(file: &std::path::Path, luma: impl Fn(usize) -> u8) {
    let image = image::GrayImage::from_fn(WIDTH as u32, HEIGHT as u32, |x, _| {
        image::Luma([luma(x as usize)])
    });
    image.save(file).unwrap();
}

#[test]
fn a_still_image_is_cut_anew_when_threshold_or_inversion_change() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mask.png");
    write(&file, steps);
    let element = element();
    element.set_property("mask-location", file.to_str().unwrap());
    cuts_apply(&element, harness(&element, &rgb()));
}

#[test]
fn a_still_picture_of_mask_sink_is_cut_anew_too() {
    let element = element();
    let masks = MaskSource::new(&element, WIDTH as u32, HEIGHT as u32);
    let harness = harness(&element, &rgb());
    let still = masks.push_luma(SIZE, steps, Some(ClockTime::ZERO), None);
    still.unwrap();
    masks.end();
    cuts_apply(&element, harness);
}

#[test]
fn numbered_images_are_cut_each() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..8usize {
        let file = folder.path().join(format!("{i}.png"));
        write(&file, |x| if x / 8 == i { 100 } else { 60 });
    }
    let element = element();
    let pattern = folder.path().join("%d.png");
    element.set_property("mask-location", pattern.to_str().unwrap());
    element.set_property("mask-threshold", 80u32);
    let mut harness = harness(&element, &rgb());
    for i in 0..8 {
        let out = one(&mut harness, frame(&rgb(), i));
        let start = 8 * i as usize;
        assert_eq!(changed(&out, SIZE, i), Some(start..start + 8));
    }
}

#[test]
fn a_new_threshold_is_for_frames_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mask.png");
    write(&file, steps);
    let element = element();
    element.set_property("mask-location", file.to_str().unwrap());
    // No mask has come for the frames: they wait in the queue.
    let masks = MaskSource::new(&element, WIDTH as u32, HEIGHT as u32);
    let mut harness = harness(&element, &rgb());
    for i in 0..3 {
        element.set_property("mask-threshold", [0u32, 50, 254][i as usize]);
        harness.push(frame(&rgb(), i)).unwrap();
    }
    element.set_property("mask-threshold", 255u32);
    masks.end();
    harness.push_event(gst::event::Eos::new());
    for (i, hole) in (0..).zip([16..64, 32..64, 48..64]) {
        assert_eq!(changed(&harness.pull().unwrap(), SIZE, i), Some(hole));
    }
}

#[test]
fn inversion_is_not_for_rectangles_nor_for_no_mask_at_all() {
    let element = element();
    element.set_property("mask-invert", true);
    let mut harness = harness(&element, &rgb());
    let out = one(&mut harness, frame(&rgb(), 0));
    assert_eq!(changed(&out, SIZE, 0), None);
    element.set_property("mask-regions", regions(&[[8, 0, 8, 16]]));
    let out = one(&mut harness, frame(&rgb(), 1));
    assert_eq!(changed(&out, SIZE, 1), Some(8..16));
}

#[test]
fn regions_of_interest_of_the_wanted_types_are_hole() {
    let element = element();
    let mut harness = harness(&element, &rgb());
    let with_rois = |i| {
        let mut buffer = frame(&rgb(), i);
        let metas = buffer.get_mut().unwrap();
        VideoRegionOfInterestMeta::add(metas, "face", (8, 0, 8, 16));
        VideoRegionOfInterestMeta::add(metas, "logo", (24, 2, 8, 4));
        VideoRegionOfInterestMeta::add(metas, "plate", (56, 3, 500, 7));
        buffer
    };
    let cases = [
        (None, None),
        (Some(""), None),
        (Some("face"), Some(8..16)),
        (Some("fac"), None),
        (Some(" logo , face,other"), Some(8..32)),
        (Some("plate"), Some(56..64)),
        (Some("*"), Some(8..64)),
    ];
    for (i, (types, hole)) in (0..).zip(cases) {
        element.set_property("mask-roi-type", types);
        let out = one(&mut harness, with_rois(i));
        assert_eq!(changed(&out, SIZE, i), hole, "{types:?}");
    }
    // And none without a meta.
    let out = one(&mut harness, frame(&rgb(), 7));
    assert_eq!(changed(&out, SIZE, 7), None);
}

/// A frame of noise that is opaque but for some columns.
fn veiled(info: &VideoInfo, i: u64, alpha: impl Fn(usize) -> u8) -> gst::Buffer {
    let mut buffer = frame(info, i);
    {
        let mut map = buffer.get_mut().unwrap().map_writable().unwrap();
        for (at, pixel) in map.chunks_mut(4).enumerate() {
            pixel[3] = alpha(at % WIDTH);
        }
    }
    buffer
}

#[test]
fn what_is_not_opaque_is_filled_and_becomes_opaque() {
    for format in [VideoFormat::Rgba, VideoFormat::Bgra] {
        let element = element();
        element.set_property("mask-from-alpha", true);
        element.set_property("mask-regions", regions(&[[0, 0, 8, 16]]));
        let info = info(format, WIDTH as u32, HEIGHT as u32);
        let mut harness = harness(&element, &info);
        // Transparent, half, nearly and fully opaque columns.
        let alpha = |x: usize| match x {
            16..24 => 0,
            24..32 => 128,
            32..40 => 254,
            _ => 255,
        };
        let cases = [(0u32, 16..40), (1, 16..32), (127, 16..24), (255, 0..0)];
        for (i, (threshold, hole)) in (0..).zip(cases) {
            element.set_property("mask-threshold", threshold);
            let source = veiled(&info, i, alpha);
            let (before, after) = (bytes(&source), bytes(&one(&mut harness, source)));
            let pixels = before.chunks(4).zip(after.chunks(4)).enumerate();
            let mut filled = 0;
            for (at, (before, after)) in pixels {
                let x = at % WIDTH;
                if hole.contains(&x) {
                    assert_eq!(after[3], 255, "{format} {threshold} at {x}");
                    filled += usize::from(before[..3] != after[..3]);
                } else if x < 8 {
                    assert_eq!(after[3], 255, "as it was");
                } else {
                    assert_eq!(before, after, "{format} {threshold} at {x}");
                }
            }
            assert!(filled * 10 >= hole.len() * HEIGHT * 9, "{filled} filled");
        }
    }
}

#[test]
fn alpha_of_every_format_is_a_mask() {
    for format in formats() {
        let info = info(format, WIDTH as u32, HEIGHT as u32);
        if info.n_components() < 4 {
            continue;
        }
        let element = element();
        element.set_property("mask-from-alpha", true);
        let mut harness = harness(&element, &info);
        let mut source = frame(&info, 0);
        let alpha = spots(&info, &source, 3);
        let opaque = (1 << alpha[0].depth) - 1;
        {
            let mut map = source.get_mut().unwrap().map_writable().unwrap();
            for (i, spot) in alpha.iter().enumerate() {
                // Every step below opaque is hole.
                let seen = [0, opaque / 2, opaque - 1][i % 3];
                let hole = (16..32).contains(&(i % WIDTH));
                spot.put(&mut map, if hole { seen } else { opaque });
            }
        }
        let mut hole = Mask::empty(WIDTH, HEIGHT);
        hole.add_rectangle(16, 0, 16, HEIGHT as u64);
        let (mut before, mut after) = (bytes(&source), bytes(&one(&mut harness, source.clone())));
        for spot in &alpha {
            assert_eq!(spot.get(&after), opaque, "{format}");
            spot.put(&mut before, opaque);
        }
        let mut filled = 0;
        let mut inside = 0;
        for spot in (0..3).flat_map(|c| spots(&info, &source, c)) {
            if spot.is_hole(&hole) {
                inside += 1;
                filled += usize::from(spot.get(&before) != spot.get(&after));
                spot.put(&mut before, 0);
                spot.put(&mut after, 0);
            }
        }
        assert!(before == after, "{format}");
        assert!(filled * 10 >= inside * 9, "{format}: {filled} of {inside}");
    }
}

#[test]
fn without_the_property_alpha_stays() {
    let element = element();
    element.set_property("mask-regions", regions(&[[16, 0, 8, 16]]));
    let info = info(VideoFormat::Rgba, WIDTH as u32, HEIGHT as u32);
    let mut harness = harness(&element, &info);
    let source = veiled(&info, 0, |x| x as u8);
    let (before, after) = (bytes(&source), bytes(&one(&mut harness, source)));
    assert_ne!(before, after);
    for (before, after) in before.chunks(4).zip(after.chunks(4)) {
        assert_eq!(before[3], after[3]);
    }
}

#[test]
fn alpha_that_is_not_there_is_a_warning_in_the_log_once() {
    let element = element();
    gst::log::set_threshold_for_name("propainter", gst::DebugLevel::Warning);
    let warnings = Arc::new(AtomicUsize::new(0));
    let (count, name) = (warnings.clone(), element.name());
    let function = gst::log::add_log_function(move |_, _, _, _, _, object, message| {
        let ours = object.is_some_and(|object| object.to_string().contains(name.as_str()));
        let text = message.get();
        if ours && text.is_some_and(|text| text.contains("mask-from-alpha: RGB has no alpha")) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    element.set_property("mask-from-alpha", true);
    let mut harness = harness(&element, &rgb());
    for i in 0..3 {
        let out = one(&mut harness, frame(&rgb(), i));
        assert_eq!(changed(&out, SIZE, i), None);
    }
    gst::log::remove_log_function(function);
    assert_eq!(warnings.load(Ordering::Relaxed), 1);
}

#[test]
fn all_sources_are_united() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mask.png");
    write(&file, |x| if x < 8 { 200 } else { 0 });
    let element = element();
    let info = info(VideoFormat::Rgba, WIDTH as u32, HEIGHT as u32);
    element.set_property("mask-location", file.to_str().unwrap());
    element.set_property("mask-regions", regions(&[[12, 0, 4, 16]]));
    element.set_property("mask-roi-type", "logo");
    element.set_property("mask-from-alpha", true);
    element.set_property("mask-threshold", 100u32);
    let masks = MaskSource::new(&element, 16, 4);
    let mut harness = harness(&element, &info);
    masks
        .push((16, 4), 15..16, Some(ClockTime::ZERO), None)
        .unwrap();
    masks.end();
    let mut source = veiled(&info, 0, |x| if (24..28).contains(&x) { 0 } else { 255 });
    VideoRegionOfInterestMeta::add(source.get_mut().unwrap(), "logo", (40, 0, 4, 16));
    let (before, after) = (bytes(&source), bytes(&one(&mut harness, source)));
    let changed: Vec<_> = (0..WIDTH)
        .filter(|x| {
            (0..HEIGHT).any(|y| {
                let at = 4 * (y * WIDTH + x);
                before[at..at + 4] != after[at..at + 4]
            })
        })
        .collect();
    let expected = [0..8, 12..16, 24..28, 40..44, 60..64];
    assert_eq!(changed, expected.into_iter().flatten().collect::<Vec<_>>());
}
