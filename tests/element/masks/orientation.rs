//! Masks of streams whose tag makes players rotate the video.

use gst::{ClockTime, prelude::*};
use gst_check::Harness;
use gst_video::VideoFormat;
use image::GrayImage;

use crate::element::support::*;

const WIDTH: u32 = 64;
const HEIGHT: u32 = 24;

/// The hole in the image as it is stored: columns and rows.
const HOLE: [(usize, usize); 2] = [(8, 24), (4, 8)];

const TAGS: [&str; 8] = [
    "rotate-0",
    "rotate-90",
    "rotate-180",
    "rotate-270",
    "flip-rotate-0",
    "flip-rotate-90",
    "flip-rotate-180",
    "flip-rotate-270",
];

fn stored_mask() -> GrayImage {
    GrayImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let inside = [x, y].into_iter().zip(HOLE);
        let mut inside = inside.map(|(at, (from, to))| (from..to).contains(&(at as usize)));
        image::Luma([255 * u8::from(inside.all(|is| is))])
    })
}

/// Returns an image as players show it, by GStreamer's own element.
fn shown(image: &GrayImage, tag: &str) -> GrayImage {
    init();
    let mut player = Harness::new_parse(&format!(
        "taginject tags=\"image-orientation=(string){tag}\" ! videoflip video-direction=auto"
    ));
    player.set_src_caps(info(VideoFormat::Gray8, WIDTH, HEIGHT).to_caps().unwrap());
    // The sides are multiples of 4: no padding.
    player
        .push(gst::Buffer::from_slice(image.clone().into_raw()))
        .unwrap();
    let out = player.pull().unwrap();
    let caps = player.sinkpad().unwrap().current_caps().unwrap();
    let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
    GrayImage::from_raw(info.width(), info.height(), bytes(&out)).unwrap()
}

fn orientation(tag: &str) -> gst::Event {
    let mut tags = gst::TagList::new();
    let add = tags.make_mut();
    add.add::<gst::tags::ImageOrientation>(&tag, gst::TagMergeMode::Replace);
    gst::event::Tag::new(tags)
}

/// Columns and rows that changed, and warnings, of a frame in a stream with a tag.
fn fill(element: &gst::Element, tags: &[&str]) -> ([(usize, usize); 2], Vec<String>) {
    fill_after(element, tags, || ())
}

/// As [`fill`]; `before` the frame comes, something is done.
fn fill_after(
    element: &gst::Element,
    tags: &[&str],
    before: impl FnOnce(),
) -> ([(usize, usize); 2], Vec<String>) {
    let bus = bus(element);
    let info = info(VideoFormat::Rgb, WIDTH, HEIGHT);
    let mut harness = harness(element, &info);
    for tag in tags {
        harness.push_event(orientation(tag));
    }
    before();
    harness.push(frame(&info, 0)).unwrap();
    harness.push_event(gst::event::Eos::new());
    let (before, after) = (noise(info.size(), 1), bytes(&harness.pull().unwrap()));
    let changed: Vec<usize> = (0..(WIDTH * HEIGHT) as usize)
        .filter(|at| before[3 * at..3 * at + 3] != after[3 * at..3 * at + 3])
        .collect();
    let span = |place: fn(usize) -> usize| {
        let places = || changed.iter().map(|&at| place(at));
        (places().min().unwrap(), places().max().unwrap() + 1)
    };
    let area = [
        span(|at| at % WIDTH as usize),
        span(|at| at / WIDTH as usize),
    ];
    (area, warnings(&bus))
}

fn located(mask: &GrayImage, folder: &tempfile::TempDir) -> gst::Element {
    let file = folder.path().join("mask.png");
    mask.save(&file).unwrap();
    let element = element();
    element.set_property("mask-location", file.to_str().unwrap());
    element
}

#[test]
fn a_mask_drawn_on_what_a_player_shows_is_turned_back() {
    let folder = tempfile::tempdir().unwrap();
    for tag in TAGS {
        let mask = shown(&stored_mask(), tag);
        let (area, warnings) = fill(&located(&mask, &folder), &[tag]);
        assert_eq!(area, HOLE, "{tag}");
        // Where the sides do not change places, nothing proves it.
        let plain = mask.width() != WIDTH || tag == "rotate-0";
        assert_eq!(warnings.len(), usize::from(!plain), "{tag}: {warnings:?}");
        assert!(
            warnings
                .iter()
                .all(|text| text.contains("image-orientation"))
        );
    }
}

#[test]
fn a_mask_drawn_on_what_is_stored_stays_where_its_aspect_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for tag in [
        "rotate-90",
        "rotate-270",
        "flip-rotate-90",
        "flip-rotate-270",
    ] {
        let (area, warnings) = fill(&located(&stored_mask(), &folder), &[tag]);
        assert_eq!((area, warnings), (HOLE, vec![]), "{tag}");
    }
}

/// A frame behind GStreamer's own element that turns, and perhaps ours, and the warnings.
fn behind_videoflip(tag: &str, ours: &str) -> (gst_video::VideoInfo, Vec<u8>, Vec<String>) {
    init();
    let mut harness = Harness::new_empty();
    let line = format!("bin.( videoflip video-direction=auto ! identity ) ! identity {ours}");
    harness.add_parse(&line);
    let bus = bus(&harness.element().unwrap());
    harness.set_src_caps(info(VideoFormat::Rgb, WIDTH, HEIGHT).to_caps().unwrap());
    harness.play();
    harness.push_event(orientation(tag));
    let info = info(VideoFormat::Rgb, WIDTH, HEIGHT);
    harness.push(frame(&info, 0)).unwrap();
    harness.push_event(gst::event::Eos::new());
    let out = bytes(&harness.pull().unwrap());
    let caps = harness.sinkpad().unwrap().current_caps().unwrap();
    let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
    (info, out, warnings(&bus))
}

#[test]
fn behind_an_element_that_turns_the_picture_masks_stay() {
    let folder = tempfile::tempdir().unwrap();
    for tag in TAGS {
        let mask = shown(&stored_mask(), tag);
        let file = folder.path().join(format!("{tag}.png"));
        mask.save(&file).unwrap();
        let ours = format!(
            "! propainter model=propagation device=cpu mask-dilation=0 scene-cuts=false \
             mask-location={}",
            file.display()
        );
        let (info, before, _) = behind_videoflip(tag, "");
        let (_, after, warnings) = behind_videoflip(tag, &ours);
        assert_eq!((info.width(), info.height()), mask.dimensions());
        let pixels = before.chunks(3).zip(after.chunks(3)).zip(mask.as_raw());
        for (at, ((before, after), hole)) in pixels.enumerate() {
            assert!(*hole > 0 || before == after, "{tag} at {at}");
        }
        assert_ne!(before, after);
        assert_eq!(warnings, [""; 0], "{tag}");
    }
}

#[test]
fn the_last_tag_counts_and_ends_with_its_stream() {
    let folder = tempfile::tempdir().unwrap();
    // As behind videoflip, which rotates the video and updates the tag.
    let (area, found) = fill(
        &located(&stored_mask(), &folder),
        &["rotate-180", "rotate-0"],
    );
    assert_eq!((area, found), (HOLE, vec![]));

    let element = located(&stored_mask(), &folder);
    let bus = bus(&element);
    let info = info(VideoFormat::Rgb, WIDTH, HEIGHT);
    let mut harness = harness(&element, &info);
    harness.push_event(orientation("rotate-180"));
    harness.push_event(gst::event::StreamStart::new("another"));
    harness.push_event(gst::event::Caps::new(&info.to_caps().unwrap()));
    let segment = gst::FormattedSegment::<ClockTime>::new();
    harness.push_event(gst::event::Segment::new(&segment));
    harness.push(frame(&info, 0)).unwrap();
    harness.push_event(gst::event::Eos::new());
    let (before, after) = (noise(info.size(), 1), bytes(&harness.pull().unwrap()));
    let first = before.iter().zip(&after).position(|(a, b)| a != b).unwrap() / 3;
    assert_eq!(
        (first / WIDTH as usize, first % WIDTH as usize),
        (HOLE[1].0, HOLE[0].0)
    );
    assert_eq!(warnings(&bus), [""; 0]);
}

#[test]
fn masks_that_come_with_a_tag_of_their_own_are_turned_by_both() {
    for (mask_tag, frame_tag, stored) in [
        ("rotate-90", "rotate-90", true),
        ("rotate-180", "rotate-180", true),
        // The mask has the orientation in which the frame is shown.
        ("rotate-0", "rotate-270", false),
        ("rotate-0", "rotate-90", false),
    ] {
        let mask = match stored {
            true => stored_mask(),
            false => shown(&stored_mask(), frame_tag),
        };
        let element = element();
        let masks = MaskSource::new(&element, mask.width(), mask.height());
        masks.pad.push_event(orientation(mask_tag));
        let found = fill_after(&element, &[frame_tag], || {
            let buffer = gst::Buffer::from_slice(mask.into_raw());
            masks.pad.push(buffer).unwrap();
            masks.end();
        });
        assert_eq!(found, (HOLE, vec![]), "{mask_tag} {frame_tag}");
    }
}
