//! Frames with a border: what goes out, and what of the frame that came in is in it.

use gst::prelude::*;
use gst_video::{
    VideoCropMeta, VideoFormat, VideoFrameFlags, VideoInfo, VideoMeta, VideoOverlayComposition,
    VideoOverlayCompositionMeta, VideoOverlayFormatFlags, VideoOverlayRectangle,
    VideoRegionOfInterestMeta,
};
use propainter::Border;

use crate::element::{spots::*, support::*};

const BORDER: Border = Border {
    left: 12,
    right: 6,
    top: 4,
    bottom: 8,
};

fn expanding(border: Border) -> gst::Element {
    let element = element();
    for (name, by) in [
        ("expand-left", border.left),
        ("expand-right", border.right),
        ("expand-top", border.top),
        ("expand-bottom", border.bottom),
    ] {
        element.set_property(name, by as u32);
    }
    element
}

/// Frame `i` of one colour in each component, but for a darker column that moves.
fn plain(info: &VideoInfo, i: u64) -> gst::Buffer {
    let mut buffer = frame(info, i);
    let places: Vec<_> = (0..info.n_components() as u8)
        .map(|c| spots(info, &buffer, c))
        .collect();
    {
        let mut map = buffer.get_mut().unwrap().map_writable().unwrap();
        map.fill(0);
        for (places, value) in places.iter().zip([90, 100, 160, 77]) {
            for spot in places {
                spot.put(&mut map, value << (spot.depth - 8));
            }
        }
    }
    buffer
}

fn run(
    harness: &mut gst_check::Harness,
    count: u64,
    make: impl Fn(u64) -> gst::Buffer,
) -> Vec<gst::Buffer> {
    for i in 0..count {
        harness.push(make(i)).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    (0..count).map(|_| harness.pull().unwrap()).collect()
}

fn caps_out(harness: &gst_check::Harness) -> VideoInfo {
    let caps = harness.sinkpad().unwrap().current_caps().unwrap();
    VideoInfo::from_caps(&caps).unwrap()
}

#[test]
fn frames_keep_their_samples_and_the_border_has_the_colours_of_the_picture() {
    use VideoFormat::*;
    for format in [
        Rgb, Bgrx, Argb, I420, Nv12, Yuy2, I42010le, P01010le, V210, A420, Gray8,
    ] {
        let info = info(format, 33, 17);
        let mut harness = harness(&expanding(BORDER), &info);
        let sources: Vec<_> = (0..3).map(|i| plain(&info, i)).collect();
        let out = run(&mut harness, 3, |i| sources[i as usize].clone());
        let canvas = caps_out(&harness);
        assert_eq!((canvas.width(), canvas.height()), (51, 29), "{format}");
        for out in out {
            assert_eq!(out.size(), canvas.size());
            let after = bytes(&out);
            for c in 0..canvas.n_components() as u8 {
                for spot in spots(&canvas, &out, c) {
                    let value = spot.get(&after) >> (spot.depth - 8);
                    let expected = [90, 100, 160, 77][usize::from(c)];
                    let opaque = c == 3 && value == 255;
                    assert!(
                        opaque || value.abs_diff(expected) <= 2,
                        "{format}: {value} in component {c}"
                    );
                }
            }
        }
    }
}

#[test]
fn noise_comes_out_in_its_place_bit_for_bit() {
    let info = info(VideoFormat::Rgb, 32, 16);
    let mut harness = harness(&expanding(BORDER), &info);
    let out = run(&mut harness, 9, |i| frame(&info, i));
    let canvas = caps_out(&harness);
    for (i, out) in (0..).zip(out) {
        let (source, out) = (noise(info.size(), i + 1), bytes(&out));
        for y in 0..16 {
            let at = (y + BORDER.top) * canvas.stride()[0] as usize + 3 * BORDER.left;
            let row = &source[y * info.stride()[0] as usize..][..96];
            assert!(out[at..at + 96] == *row, "frame {i}, row {y}");
        }
        assert!(
            out.chunks(3 * 50)
                .all(|row| row.iter().any(|&byte| byte > 0))
        );
    }
}

#[test]
fn a_chroma_sample_of_the_frame_is_never_split() {
    let odd = Border {
        left: 5,
        right: 0,
        top: 3,
        bottom: 0,
    };
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&expanding(odd), &info);
    let source = frame(&info, 0);
    let out = run(&mut harness, 1, |_| source.clone());
    let canvas = caps_out(&harness);
    assert_eq!((canvas.width(), canvas.height()), (37, 19));
    let (before, after) = (bytes(&source), bytes(&out[0]));
    // The frame is a pixel farther to the left and to the top.
    for (c, left, top) in [(0u8, 4, 2), (1, 2, 1), (2, 2, 1)] {
        let (from, to) = (spots(&info, &source, c), spots(&canvas, &out[0], c));
        let own = info.comp_width(c) as usize;
        for (at, spot) in from.iter().enumerate() {
            let to = &to[(at / own + top) * canvas.comp_width(c) as usize + at % own + left];
            assert_eq!(spot.get(&before), to.get(&after), "sample {at} of {c}");
        }
    }
}

#[test]
fn caps_are_those_of_the_canvas_and_all_else_is_kept() {
    init();
    let info = VideoInfo::builder(VideoFormat::I420, 32, 16)
        .fps(gst::Fraction::new(30_000, 1001))
        .par(gst::Fraction::new(8, 9))
        .build()
        .unwrap();
    let mut harness = harness(&expanding(BORDER), &info);
    run(&mut harness, 2, |i| frame(&info, i));
    let out = caps_out(&harness);
    assert_eq!((out.width(), out.height()), (50, 28));
    assert_eq!((out.fps(), out.par()), (info.fps(), info.par()));
    assert_eq!(out.colorimetry(), info.colorimetry());
}

#[test]
fn each_pads_caps_are_those_of_the_other_with_the_border() {
    init();
    let pipeline = gst::parse::launch(
        "videotestsrc name=source num-buffers=3 ! capsfilter name=before caps=video/x-raw,format=NV12 \
         ! propainter name=p model=propagation expand-left=100 expand-right=60 expand-top=16 \
         ! video/x-raw,width=480,height=256 ! fakesink name=end",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let element = pipeline.by_name("p").unwrap();
    let queried = element.static_pad("sink").unwrap().query_caps(None);
    let wanted = queried.structure(0).unwrap();
    assert_eq!(wanted.get("width"), Ok(320));
    assert_eq!(wanted.get("height"), Ok(240));
    pipeline.set_state(gst::State::Playing).unwrap();
    let message = pipeline.bus().unwrap().timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    let caps = |pad: &str| element.static_pad(pad).unwrap().current_caps().unwrap();
    let [sink, src] = ["sink", "src"].map(|pad| VideoInfo::from_caps(&caps(pad)).unwrap());
    assert_eq!((sink.width(), sink.height()), (320, 240));
    assert_eq!((src.width(), src.height()), (480, 256));
    assert_eq!(message.unwrap().type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn new_caps_in_mid_stream_have_a_canvas_of_their_own() {
    let [small, large] = [(32, 16), (40, 24)].map(|(w, h)| info(VideoFormat::Rgb, w, h));
    let mut harness = harness(&expanding(BORDER), &small);
    for i in 0..4 {
        harness.push(frame(&small, i)).unwrap();
    }
    harness.set_src_caps(large.to_caps().unwrap());
    for i in 4..8 {
        harness.push(frame(&large, i)).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    let sizes: Vec<_> = (0..8).map(|_| harness.pull().unwrap().size()).collect();
    let [small, large] = [(50, 28), (58, 36)].map(|(w, h)| info(VideoFormat::Rgb, w, h).size());
    assert_eq!(sizes, [[small; 4], [large; 4]].concat());
}

#[test]
fn times_flags_and_metas_are_kept_and_rectangles_move() {
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&expanding(BORDER), &info);
    let mut text = gst::Buffer::with_size(4 * 4 * 2).unwrap();
    let made = text.get_mut().unwrap();
    VideoMeta::add(made, VideoFrameFlags::empty(), VideoFormat::Bgra, 4, 2).unwrap();
    let none = VideoOverlayFormatFlags::empty();
    let label = VideoOverlayRectangle::new_raw(&text, 3, -1, 8, 4, none);
    let out = run(&mut harness, 3, |i| {
        let mut buffer = frame(&info, i);
        let source = buffer.get_mut().unwrap();
        source.set_dts(FRAME * i);
        source.set_offset(7 + i);
        source.set_flags(gst::BufferFlags::DROPPABLE | gst::BufferFlags::MARKER);
        let mut face = VideoRegionOfInterestMeta::add(source, "face", (1, 2, 3, 4));
        face.set_id(5);
        face.add_param(gst::Structure::new_empty("detection"));
        VideoCropMeta::add(source, (2, 0, 20, 10));
        let overlay = VideoOverlayComposition::new([&label]).expect("an overlay");
        VideoOverlayCompositionMeta::add(source, &overlay);
        buffer
    });
    for (i, out) in (0..).zip(out) {
        assert_eq!((out.pts(), out.dts()), (Some(FRAME * i), Some(FRAME * i)));
        assert_eq!((out.duration(), out.offset()), (Some(FRAME), 7 + i));
        let flags = out.flags() - gst::BufferFlags::TAG_MEMORY;
        assert!(flags.contains(gst::BufferFlags::DROPPABLE | gst::BufferFlags::MARKER));
        let faces: Vec<_> = out.iter_meta::<VideoRegionOfInterestMeta>().collect();
        let [face] = &faces[..] else {
            panic!("{} regions of interest", faces.len());
        };
        assert_eq!((face.rect(), face.id()), ((13, 6, 3, 4), 5));
        assert!(face.param("detection").is_some());
        let crop = out.meta::<VideoCropMeta>().expect("kept");
        assert_eq!(crop.rect(), (14, 4, 20, 10));
        let overlay = out.meta::<VideoOverlayCompositionMeta>().expect("kept");
        let rectangles: Vec<_> = overlay.overlay().iter().collect();
        let places: Vec<_> = rectangles.iter().map(|r| r.render_rectangle()).collect();
        assert_eq!(places, [(15, 3, 8, 4)]);
        // The frame that came in has its own still.
        assert_eq!(label.render_rectangle(), (3, -1, 8, 4));
    }
}

#[test]
fn masks_are_in_pixels_of_the_frame() {
    let element = expanding(BORDER);
    element.set_property("mask-regions", regions(&[[4, 3, 6, 5]]));
    let info = info(VideoFormat::Rgb, 32, 16);
    let mut harness = harness(&element, &info);
    let out = run(&mut harness, 1, |i| frame(&info, i));
    let (source, out) = (bytes(&frame(&info, 0)), bytes(&out[0]));
    let stride = caps_out(&harness).stride()[0] as usize;
    for (x, y) in (0..16).flat_map(|y| (0..32).map(move |x| (x, y))) {
        let from = &source[96 * y + 3 * x..][..3];
        let to = &out[(y + BORDER.top) * stride + 3 * (x + BORDER.left)..][..3];
        let hole = (4..10).contains(&x) && (3..8).contains(&y);
        assert_eq!(from == to, !hole, "{x}, {y}");
    }
}

#[test]
fn a_border_adds_no_latency_and_crops_are_whole_frames() {
    let info = info(VideoFormat::Rgb, 32, 16);
    let latency = |element: gst::Element| {
        element.set_property_from_str("crop-mode", "crop");
        let mut harness = harness(&element, &info);
        run(&mut harness, 3, |i| frame(&info, i));
        let stats: gst::Structure = element.property("stats");
        assert_eq!(stats.get("views"), Ok(1u32));
        element.property::<u64>("latency")
    };
    assert_eq!(latency(expanding(BORDER)), latency(element()));
}

#[test]
fn a_border_that_is_too_large_is_refused_with_its_name() {
    let element = expanding(Border {
        left: 16_384,
        right: 16_384,
        ..BORDER
    });
    let bus = bus(&element);
    let info = info(VideoFormat::Gray8, 64, 8);
    let mut harness = harness(&element, &info);
    let _ = harness.push(frame(&info, 0));
    harness.push_event(gst::event::Eos::new());
    let (text, _) = error(&bus);
    assert!(text.contains("expand-left"), "{text}");
}

#[test]
fn interlaced_video_is_refused_as_without_a_border() {
    let element = expanding(BORDER);
    let bus = bus(&element);
    let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    let info = VideoInfo::builder(VideoFormat::I420, 32, 16)
        .interlace_mode(gst_video::VideoInterlaceMode::Interleaved)
        .build()
        .unwrap();
    harness.play();
    harness.set_src_caps(info.to_caps().unwrap());
    let (text, _) = error(&bus);
    assert!(text.contains("deinterlace"), "{text}");
}
