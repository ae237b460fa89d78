//! One out per one in, and what of a frame stays as it was.

use gst::prelude::*;
use gst_video::{
    VideoColorMatrix, VideoColorPrimaries, VideoColorRange, VideoColorimetry, VideoFormat,
    VideoFrameFlags, VideoInfo, VideoMeta, VideoRegionOfInterestMeta, VideoTransferFunction,
};
use propainter::{Mask, internals::resize::processing_size};

use crate::element::{spots::*, support::*};

#[test]
fn eos_drains_every_frame_in_order() {
    for count in [0, 1, 2, 3, 13, 40] {
        let element = element();
        element.set_property("mask-regions", regions(&[[2, 2, 6, 4]]));
        let info = info(VideoFormat::I420, 32, 16);
        let recorder = Recorder::on(&src_pad(&element));
        let mut harness = harness(&element, &info);
        for i in 0..count {
            harness.push(frame(&info, i)).unwrap();
        }
        assert!(harness.push_event(gst::event::Eos::new()));
        let seen = recorder.until(&Seen::Event(gst::EventType::Eos));
        assert_eq!(frames(&seen), (0..count).collect::<Vec<_>>());
        assert_eq!(seen.last(), Some(&Seen::Event(gst::EventType::Eos)));
    }
}

#[test]
fn time_duration_offsets_flags_metas_and_caps_are_kept() {
    let element = element();
    element.set_property("mask-regions", regions(&[[2, 2, 6, 4]]));
    let info = info(VideoFormat::Rgb, 32, 16);
    let mut harness = harness(&element, &info);
    let mut sources = vec![];
    for i in 0..4 {
        let mut buffer = frame(&info, i);
        let source = buffer.get_mut().unwrap();
        source.set_dts(FRAME * i);
        source.set_offset(7 + i);
        source.set_offset_end(8 + i);
        source.set_flags(gst::BufferFlags::DROPPABLE | gst::BufferFlags::MARKER);
        VideoRegionOfInterestMeta::add(source, "face", (1, 2, 3, 4));
        sources.push(buffer.clone());
        harness.push(buffer).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    for source in sources {
        let out = harness.pull().unwrap();
        assert_eq!(out.pts(), source.pts());
        assert_eq!(out.dts(), source.dts());
        assert_eq!(out.duration(), source.duration());
        assert_eq!(out.offset(), source.offset());
        assert_eq!(out.offset_end(), source.offset_end());
        // What memory the flags speak of may differ.
        let ours = |flags: gst::BufferFlags| flags - gst::BufferFlags::TAG_MEMORY;
        assert_eq!(ours(out.flags()), ours(source.flags()));
        let roi = out.meta::<VideoRegionOfInterestMeta>().expect("kept");
        assert_eq!(roi.rect(), (1, 2, 3, 4));
        assert_ne!(bytes(&out), bytes(&source), "the hole is filled");
    }
    let caps = harness.sinkpad().unwrap().current_caps().unwrap();
    assert_eq!(VideoInfo::from_caps(&caps).unwrap(), info);
}

#[test]
fn frames_without_time_pass_in_order() {
    let element = element();
    let info = info(VideoFormat::Rgb, 16, 16);
    let mut harness = harness(&element, &info);
    for i in 0..12 {
        let mut buffer = frame(&info, i);
        let source = buffer.get_mut().unwrap();
        source.set_pts(None);
        source.set_duration(None);
        source.set_offset(i);
        harness.push(buffer).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    for i in 0..12 {
        let out = harness.pull().unwrap();
        assert_eq!((out.pts(), out.duration(), out.offset()), (None, None, i));
        assert_eq!(bytes(&out), noise(info.size(), i + 1));
    }
}

/// Clears the samples that the contract allows to change.
fn clear(info: &VideoInfo, source: &gst::BufferRef, hole: &Mask, images: [&mut [u8]; 2]) {
    let inside: Vec<_> = (0..colors(info))
        .flat_map(|component| spots(info, source, component))
        .filter(|spot| spot.is_hole(hole))
        .collect();
    for image in images {
        for spot in &inside {
            spot.put(image, 0);
        }
    }
}

/// Frame `i` with strides and offsets of its own.
fn padded(info: &VideoInfo, i: u64) -> (gst::Buffer, Vec<usize>, Vec<i32>) {
    let (mut offsets, mut strides, mut end) = (vec![], vec![], 0);
    for plane in 0..info.n_planes() as usize {
        let component = (0..info.n_components() as u8)
            .find(|&c| info.comp_plane(c) as usize == plane)
            .unwrap();
        let stride = info.stride()[plane] as usize + 13;
        offsets.push(end + 5);
        strides.push(stride as i32);
        end += 5 + stride * info.comp_height(component) as usize;
    }
    let mut buffer = gst::Buffer::from_mut_slice(noise(end, i + 1));
    let frame = buffer.get_mut().unwrap();
    frame.set_pts(FRAME * i);
    VideoMeta::add_full(
        frame,
        VideoFrameFlags::empty(),
        info.format(),
        info.width(),
        info.height(),
        &offsets,
        &strides,
    )
    .unwrap();
    (buffer, offsets, strides)
}

fn unmasked_pixels_stay(info: &VideoInfo, count: u64) {
    let (format, width, height) = (info.format(), info.width(), info.height());
    let region = [
        width as i32 / 4,
        height as i32 / 4,
        (width as i32 / 2).max(1),
        (height as i32 / 2).max(1),
    ];
    let (w, h) = (width as usize, height as usize);
    let mut hole = Mask::empty(w, h);
    hole.add_rectangle(
        region[0].into(),
        region[1].into(),
        region[2] as u64,
        region[3] as u64,
    );
    let processing = processing_size((w, h), (None, None), 0.25);
    let hole = hole.resized(processing.0, processing.1).resized(w, h);

    let element = element();
    element.set_property("resize-ratio", 0.25);
    // A crop has a processing size of its own, which decides where a scaled hole ends.
    element.set_property_from_str("crop-mode", "off");
    element.set_property("mask-regions", regions(&[region]));
    let mut harness = harness(&element, info);
    let sources: Vec<_> = (0..count).map(|i| padded(info, i)).collect();
    for (buffer, ..) in &sources {
        harness.push(buffer.clone()).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    for (i, (source, offsets, strides)) in (0..).zip(&sources) {
        let out = harness.pull().unwrap();
        let (mut before, mut after) = (bytes(source), bytes(&out));
        assert!(
            before == noise(before.len(), i + 1),
            "the source is not written to"
        );
        clear(info, source, &hole, [&mut before, &mut after]);
        assert!(before == after, "{format} {width}x{height}");
        let meta = out.meta::<VideoMeta>().expect("kept");
        assert_eq!((meta.offset(), meta.stride()), (&offsets[..], &strides[..]));
    }
}

#[test]
fn unmasked_pixels_are_identical_in_every_format_at_odd_sizes_and_strides() {
    for format in formats() {
        for (width, height) in [(1, 1), (3, 5), (33, 17), (127, 65)] {
            unmasked_pixels_stay(&info(format, width, height), 3);
        }
    }
}

#[test]
fn unmasked_pixels_are_identical_in_every_way_to_store_them_at_full_size() {
    use VideoFormat::*;
    let formats = [
        Rgb, Bgr, Rgbx, Bgrx, Rgba, Bgra, Nv12, I420, Y42b, Y444, P01010le, I42010le, I42210le,
        Y44412le, Gbr10le, P016Le, Y210, V210, Uyvy, A420, Gray16Le,
    ];
    for format in formats {
        unmasked_pixels_stay(&info(format, 1919, 1079), 1);
    }
}

fn colored(format: VideoFormat, matrix: VideoColorMatrix, range: VideoColorRange) -> VideoInfo {
    let colorimetry = VideoColorimetry::new(
        range,
        matrix,
        VideoTransferFunction::Bt709,
        VideoColorPrimaries::Bt709,
    );
    let builder = VideoInfo::builder(format, 48, 24).fps(gst::Fraction::new(25, 1));
    builder.colorimetry(&colorimetry).build().unwrap()
}

/// In a frame whose hole is not gray the fill has the colours around it.
fn the_fill_has_the_colours_of_the_picture(info: &VideoInfo) {
    let element = element();
    element.set_property("mask-regions", regions(&[[16, 8, 16, 8]]));
    let mut harness = harness(&element, info);
    // One colour everywhere, so that any fill from the frame has that colour.
    let color: [u32; 3] = if info.is_rgb() {
        [50, 120, 200]
    } else {
        [90, 100, 160]
    };
    let mut buffer = gst::Buffer::from_mut_slice(noise(info.size(), 1));
    let spots: Vec<_> = (0..colors(info))
        .flat_map(|c| {
            spots(info, &buffer, c)
                .into_iter()
                .zip(std::iter::repeat(c))
        })
        .collect();
    let paint = |image: &mut [u8]| {
        for (spot, component) in &spots {
            let value = color[usize::from(*component)];
            spot.put(image, value << (spot.depth - 8));
        }
    };
    paint(&mut buffer.get_mut().unwrap().map_writable().unwrap());
    let before = bytes(&buffer);
    for i in 0..8 {
        let mut buffer = buffer.copy_deep().unwrap();
        buffer.get_mut().unwrap().set_pts(FRAME * i);
        harness.push(buffer).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    for _ in 0..8 {
        let mut after = bytes(&harness.pull().unwrap());
        for (spot, _) in &spots {
            let (a, b) = (spot.get(&before), spot.get(&after));
            // Two steps of 8 bits.
            let most = 2 << (spot.depth - 8);
            assert!(a.abs_diff(b) <= most, "{info:?}: {a} became {b}");
        }
        // Alpha, padding and what lies beside the samples.
        paint(&mut after);
        assert!(before == after, "{info:?}");
    }
}

#[test]
fn the_fill_of_every_format_has_the_colours_of_the_picture() {
    for format in formats() {
        the_fill_has_the_colours_of_the_picture(&info(format, 48, 24));
    }
}

#[test]
fn the_fill_has_the_colours_of_the_picture_in_every_matrix_and_range() {
    use VideoFormat::*;
    let matrices = [
        VideoColorMatrix::Bt709,
        VideoColorMatrix::Bt2020,
        VideoColorMatrix::Smpte240m,
        VideoColorMatrix::Fcc,
    ];
    let ranges = [VideoColorRange::Range0_255, VideoColorRange::Range16_235];
    for format in [
        I42210le, Y44412le, P016Le, Y210, V210, Uyvy, A44410le, Ayuv, Gray16Le,
    ] {
        for (matrix, range) in matrices.into_iter().flat_map(|m| ranges.map(|r| (m, r))) {
            the_fill_has_the_colours_of_the_picture(&colored(format, matrix, range));
        }
    }
}

#[test]
fn frames_without_a_hole_pass_without_a_copy() {
    let element = element();
    let info = info(VideoFormat::Nv12, 32, 16);
    let mut harness = harness(&element, &info);
    let mut addresses = vec![];
    for i in 0..8 {
        let buffer = frame(&info, i);
        addresses.push(buffer.as_ptr());
        harness.push(buffer).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    for address in addresses {
        assert_eq!(harness.pull().unwrap().as_ptr(), address);
    }
}
