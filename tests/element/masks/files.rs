//! Masks as people have them: image formats, alpha, depth, ranges, noise; and the warnings.

use std::{ops::Range, path::Path};

use gst::{ClockTime, prelude::*};
use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, LumaA, Rgba, RgbaImage};
use propainter::Mask;
use propainter_elements::fuzz;

use crate::element::support::*;

const WIDTH: usize = 64;
const HEIGHT: usize = 16;
const SIZE: (usize, usize) = (WIDTH, HEIGHT);
const HOLE: Range<usize> = 16..32;

fn rgb() -> VideoInfo {
    info(VideoFormat::Rgb, WIDTH as u32, HEIGHT as u32)
}

/// The columns that change in each of so many frames, and the warnings.
fn fill(element: &gst::Element, frames: u64) -> (Vec<Option<Range<usize>>>, Vec<String>) {
    let bus = bus(element);
    let mut harness = harness(element, &rgb());
    let holes = push(&mut harness, frames);
    (holes, warnings(&bus))
}

fn push(harness: &mut Harness, frames: u64) -> Vec<Option<Range<usize>>> {
    for i in 0..frames {
        harness.push(frame(&rgb(), i)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    let holes = (0..frames).map(|i| changed(&harness.pull().unwrap(), SIZE, i));
    let holes = holes.collect();
    // Diagnostics at the end are posted before EOS goes out.
    while harness.pull_event().unwrap().type_() != gst::EventType::Eos {}
    holes
}

fn located(file: &Path) -> gst::Element {
    let element = element();
    element.set_property("mask-location", file.to_str().unwrap());
    element
}

fn gray(luma: impl Fn(usize) -> u8) -> GrayImage {
    let size = (WIDTH as u32, HEIGHT as u32);
    GrayImage::from_fn(size.0, size.1, |x, _| Luma([luma(x as usize)]))
}

fn rgba(pixel: impl Fn(bool) -> [u8; 4]) -> RgbaImage {
    let size = (WIDTH as u32, HEIGHT as u32);
    RgbaImage::from_fn(size.0, size.1, |x, _| {
        Rgba(pixel(HOLE.contains(&(x as usize))))
    })
}

fn white_on_black(x: usize) -> u8 {
    255 * u8::from(HOLE.contains(&x))
}

/// What is hole of a still image, and the warnings.
fn still(image: impl Into<DynamicImage>) -> (Option<Range<usize>>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mask.png");
    image.into().save(&file).unwrap();
    let (holes, warnings) = fill(&located(&file), 1);
    (holes[0].clone(), warnings)
}

#[test]
fn images_of_every_usual_format_are_masks() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["bmp", "gif", "jpg", "pgm", "png", "tiff", "webp"] {
        let file = folder.path().join(format!("mask.{format}"));
        let mask = DynamicImage::from(gray(white_on_black));
        let mask = match format {
            "gif" | "webp" => DynamicImage::from(mask.into_rgb8()),
            _ => mask,
        };
        mask.save(&file).unwrap();
        let (holes, warnings) = fill(&located(&file), 2);
        assert_eq!(holes, vec![Some(HOLE); 2], "{format}");
        assert_eq!(warnings, [""; 0], "{format}");
    }
}

#[test]
fn alpha_is_the_mask_where_it_varies() {
    for (inside, outside) in [
        ([255, 255, 255, 255], [255, 255, 255, 0]),
        ([0, 0, 0, 255], [0, 0, 0, 0]),
        ([0, 0, 0, 40], [0, 0, 0, 0]),
        ([255, 255, 255, 255], [0, 0, 0, 0]),
        // Opaque, it is no mask.
        ([255, 255, 255, 255], [0, 0, 0, 255]),
    ] {
        let (hole, warnings) = still(rgba(|hole| if hole { inside } else { outside }));
        assert_eq!(hole, Some(HOLE), "{inside:?} {outside:?}");
        assert_eq!(warnings, [""; 0]);
    }
    let pair = |x: u32| match HOLE.contains(&(x as usize)) {
        true => [0u16, 65535],
        false => [65535, 0],
    };
    let size = (WIDTH as u32, HEIGHT as u32);
    let deep = ImageBuffer::from_fn(size.0, size.1, |x, _| LumaA(pair(x)));
    assert_eq!(
        still(DynamicImage::ImageLumaA16(deep)),
        (Some(HOLE), vec![])
    );
}

#[test]
fn unused_alpha_is_reported() {
    let veil = |hole| match hole {
        true => [255, 255, 255, 128],
        false => [0, 0, 0, 128],
    };
    let (hole, warnings) = still(rgba(veil));
    assert_eq!(hole, Some(HOLE));
    assert!(
        warnings.len() == 1 && warnings[0].contains("alpha"),
        "{warnings:?}"
    );
}

#[test]
fn a_sequence_whose_alpha_is_the_mask_may_have_frames_without_any_of_it() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..6 {
        let logo = |hole| [255, 255, 255, 255 * u8::from(hole && i % 3 == 0)];
        rgba(logo)
            .save(folder.path().join(format!("{i}.png")))
            .unwrap();
    }
    let (holes, warnings) = fill(&located(&folder.path().join("%d.png")), 6);
    let expected: Vec<_> = (0..6).map(|i| (i % 3 == 0).then_some(HOLE)).collect();
    assert_eq!(holes, expected);
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn the_least_value_of_any_depth_is_hole() {
    let size = (WIDTH as u32, HEIGHT as u32);
    let deep = ImageBuffer::from_fn(size.0, size.1, |x, _| {
        Luma([u16::from(HOLE.contains(&(x as usize)))])
    });
    assert_eq!(still(DynamicImage::ImageLuma16(deep)), (Some(HOLE), vec![]));
    assert_eq!(
        still(gray(|x| white_on_black(x) / 255)),
        (Some(HOLE), vec![])
    );
}

#[test]
fn the_noise_of_a_jpeg_is_not_hole() {
    let folder = tempfile::tempdir().unwrap();
    for quality in [30, 50, 75, 90] {
        // A disc, whose edge lies on no block of 8.
        let disc = GrayImage::from_fn(128, 96, |x, y| {
            let far = (f64::from(x) - 70.3).powi(2) + (f64::from(y) - 45.8).powi(2);
            Luma([if far < 400.0 { 255 } else { 0 }])
        });
        let mut file = vec![0, 0];
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, quality);
        disc.write_with_encoder(encoder).unwrap();
        let mask = fuzz::mask_image(&file[2..], 0, false).unwrap();
        let expected = Mask::from_luma(128, 96, disc.into_raw());
        let near = expected.dilated(2);
        let pixels = || mask.hole().iter().zip(near.hole());
        assert_eq!(
            pixels().filter(|(a, b)| a > b).count(),
            0,
            "quality {quality}"
        );
        let lost = mask
            .hole()
            .iter()
            .zip(expected.hole())
            .filter(|(a, b)| a < b);
        assert!(lost.count() <= 4, "quality {quality}");
        // An exact threshold keeps it.
        let exact = fuzz::mask_image(&file[2..], 1, false).unwrap();
        assert!(exact.hole().iter().zip(near.hole()).any(|(a, b)| a > b));
    }
    drop(folder);
}

/// Returns the holes of masks that come through `mask_sink` with this colorimetry in the caps.
fn streamed(colorimetry: Option<&str>, images: &[&dyn Fn(usize) -> u8]) -> Streamed {
    let element = element();
    let bus = bus(&element);
    let masks = MaskSource::new(&element, WIDTH as u32, HEIGHT as u32);
    let mut caps = info(VideoFormat::Gray8, WIDTH as u32, HEIGHT as u32)
        .to_caps()
        .unwrap();
    let fields = caps.make_mut().structure_mut(0).unwrap();
    fields.remove_field("colorimetry");
    if let Some(colorimetry) = colorimetry {
        fields.set("colorimetry", colorimetry);
    }
    masks.pad.push_event(gst::event::Caps::new(&caps));
    let mut harness = harness(&element, &rgb());
    for (i, luma) in (0..).zip(images) {
        masks
            .push_luma(SIZE, luma, Some(FRAME * i), Some(FRAME))
            .unwrap();
    }
    masks.end();
    let holes = push(&mut harness, images.len() as u64);
    (holes, warnings(&bus))
}

type Streamed = (Vec<Option<Range<usize>>>, Vec<String>);

#[test]
fn limited_range_is_detected_by_caps_or_values() {
    let limited = |x: usize| if HOLE.contains(&x) { 235 } else { 16 };
    let empty = |_: usize| 16;
    // As an encoder leaves it: untagged, and with noise.
    let noisy = |x: usize| match x {
        16 => 214,
        17..31 => [235, 233, 231, 228, 238][x % 5],
        31 => 218,
        13 | 34 => 25,
        12 | 35 => 18,
        11 | 36 => 17,
        10 | 37 => 12,
        _ => 16,
    };
    // `videoconvert` says full range of limited luma that it copied: 1:4:16:4.
    for colorimetry in [
        None,
        Some("bt601"),
        Some("bt709"),
        Some("1:4:16:4"),
        Some("1:4:0:0"),
    ] {
        let (holes, warnings) = streamed(colorimetry, &[&limited, &empty, &limited]);
        assert_eq!(holes, [Some(HOLE), None, Some(HOLE)], "{colorimetry:?}");
        assert_eq!(warnings, [""; 0], "{colorimetry:?}");
        let (holes, warnings) = streamed(colorimetry, &[&empty, &limited, &|_| 235]);
        assert_eq!(holes, [None, Some(HOLE), Some(0..64)], "{colorimetry:?}");
        assert_eq!(
            warnings.len(),
            1,
            "the last covers everything: {warnings:?}"
        );
        let (holes, _) = streamed(
            colorimetry,
            &[&noisy, &|x| if x % 7 == 0 { 17 } else { 16 }],
        );
        assert_eq!(holes, [Some(HOLE), None], "{colorimetry:?}");
    }
}

#[test]
fn masks_in_full_range_stay_as_they_are() {
    let objects = |x: usize| match x {
        16..24 => 1,
        24..28 => 16,
        28..32 => 235,
        _ => 0,
    };
    for colorimetry in [None, Some("1:4:16:4"), Some("1:4:0:0")] {
        let ones = |x: usize| white_on_black(x) / 255;
        let images: [&dyn Fn(usize) -> u8; 3] = [&white_on_black, &ones, &objects];
        let (holes, warnings) = streamed(colorimetry, &images);
        assert_eq!(holes, vec![Some(HOLE); 3], "{colorimetry:?}");
        assert_eq!(warnings, [""; 0]);
        // Whichever comes first.
        let (holes, _) = streamed(colorimetry, &[&objects, &ones]);
        assert_eq!(holes, vec![Some(HOLE); 2], "{colorimetry:?}");
    }
}

#[test]
fn a_mask_that_covers_everything_or_nothing_is_reported_once() {
    for (luma, hole, word) in [(255, Some(0..64), "everything"), (0, None, "nothing")] {
        let word = if luma == 0 { word } else { "the whole frame" };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mask.png");
        gray(|_| luma).save(&file).unwrap();
        let (holes, warnings) = fill(&located(&file), 3);
        assert_eq!(holes, vec![hole.clone(); 3]);
        assert!(
            warnings.len() == 1 && warnings[0].contains(word),
            "{warnings:?}"
        );
        assert!(warnings[0].contains("mask-location"), "{warnings:?}");

        let same = |_: usize| luma;
        let (holes, warnings) = streamed(None, &[&same, &same]);
        assert_eq!(holes, vec![hole; 2]);
        assert!(
            warnings.len() == 1 && warnings[0].contains(word),
            "{warnings:?}"
        );
        assert!(warnings[0].contains("mask_sink"), "{warnings:?}");
    }
    let element = element();
    element.set_property("mask-regions", regions(&[[70, 0, 8, 8], [0, 0, 0, 0]]));
    let (_, warnings) = fill(&element, 3);
    assert!(
        warnings.len() == 1 && warnings[0].contains("mask-regions"),
        "{warnings:?}"
    );
}

#[test]
fn empty_masks_between_others_and_regions_without_area_are_nothing_to_tell() {
    let empty = |_: usize| 0;
    let (_, warnings) = streamed(None, &[&empty, &white_on_black, &empty]);
    assert_eq!(warnings, [""; 0]);
    let element = element();
    element.set_property("mask-regions", regions(&[[0, 0, 0, 0]]));
    assert_eq!(fill(&element, 2).1, [""; 0]);
}

#[test]
fn a_mask_of_another_aspect_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    for (size, odd) in [
        ((32, 8), false),
        ((65, 16), false),
        ((64, 64), true),
        ((16, 64), true),
    ] {
        let file = folder.path().join(format!("{}x{}.png", size.0, size.1));
        let mask = GrayImage::from_fn(size.0, size.1, |x, _| {
            Luma([255 * u8::from(x < size.0 / 2)])
        });
        mask.save(&file).unwrap();
        let (_, warnings) = fill(&located(&file), 3);
        assert_eq!(warnings.len(), usize::from(odd), "{size:?}: {warnings:?}");
        let names = format!("{}x{}", size.0, size.1);
        assert!(
            warnings
                .iter()
                .all(|text| text.contains(&names) && text.contains("64x16"))
        );
    }
}

#[test]
fn a_missing_number_between_two_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    for i in [0, 1, 3, 5] {
        let start = 8 * i;
        let mask = gray(|x| 255 * u8::from((start..start + 8).contains(&x)));
        mask.save(folder.path().join(format!("{i:03}.png")))
            .unwrap();
    }
    let (holes, warnings) = fill(&located(&folder.path().join("%03d.png")), 8);
    let expected = [0, 1, 1, 3, 3, 5, 5, 5].map(|i| Some(8 * i..8 * i + 8));
    assert_eq!(holes, expected);
    assert!(
        warnings.len() == 1 && warnings[0].contains("002.png"),
        "{warnings:?}"
    );
}

#[test]
fn an_image_is_decoded_when_its_frame_comes() {
    let folder = tempfile::tempdir().unwrap();
    let columns = |i: usize| 8 * i..8 * i + 8;
    for i in 0..3 {
        let mask = gray(|x| 255 * u8::from(columns(i).contains(&x)));
        mask.save(folder.path().join(format!("{i}.png"))).unwrap();
    }
    let element = located(&folder.path().join("%d.png"));
    // No mask has come for the frames: they wait, and what was their file goes.
    let masks = MaskSource::new(&element, WIDTH as u32, HEIGHT as u32);
    let mut harness = harness(&element, &rgb());
    for i in 0..3 {
        harness.push(frame(&rgb(), i)).unwrap();
    }
    folder.close().unwrap();
    masks.end();
    harness.push_event(gst::event::Eos::new());
    for i in 0..3 {
        let out = harness.pull().unwrap();
        assert_eq!(changed(&out, SIZE, i), Some(columns(i as usize)));
    }
}

#[test]
fn numbered_masks_at_the_end_of_time_do_not_start_again() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..4 {
        let mask = gray(|x| 255 * u8::from((8 * i..8 * i + 8).contains(&x)));
        mask.save(folder.path().join(format!("{i}.png"))).unwrap();
    }
    let element = located(&folder.path().join("%d.png"));
    let mut harness = harness(&element, &rgb());
    for i in 0..4 {
        harness.push(frame(&rgb(), i)).unwrap();
    }
    let mut segment = gst::FormattedSegment::<ClockTime>::new();
    segment.set_start(FRAME * 4);
    segment.set_time(ClockTime::from_nseconds(u64::MAX - 2));
    harness.push_event(gst::event::Segment::new(&segment));
    harness.push(frame(&rgb(), 4)).unwrap();
    harness.push_event(gst::event::Eos::new());
    let holes: Vec<_> = (0..5)
        .map(|i| changed(&harness.pull().unwrap(), SIZE, i))
        .collect();
    let expected: Vec<_> = [0, 1, 2, 3, 3].map(|i| Some(8 * i..8 * i + 8)).into();
    assert_eq!(holes, expected, "past the last one the last stays");
}
