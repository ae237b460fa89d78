//! One out per one in, and what of a frame stays as it was.

use gst::prelude::*;
use gst_video::{
    VideoFormat, VideoFrameFlags, VideoFrameRef, VideoInfo, VideoMeta, VideoRegionOfInterestMeta,
};
use propainter::{Mask, resize::processing_size};

use super::support::*;

const FORMATS: [VideoFormat; 12] = [
    VideoFormat::Rgb,
    VideoFormat::Bgr,
    VideoFormat::Rgbx,
    VideoFormat::Bgrx,
    VideoFormat::Rgba,
    VideoFormat::Bgra,
    VideoFormat::Nv12,
    VideoFormat::I420,
    VideoFormat::Y42b,
    VideoFormat::Y444,
    VideoFormat::P01010le,
    VideoFormat::I42010le,
];

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

/// Bytes of the picture that the contract allows to change, and which bits of them.
fn may_change(
    info: &VideoInfo,
    offsets: &[usize],
    strides: &[i32],
    hole: &Mask,
) -> Vec<(usize, u8)> {
    let bits: &[u8] = match info.format() {
        VideoFormat::P01010le => &[0xc0, 0xff],
        VideoFormat::I42010le => &[0xff, 0x03],
        _ => &[0xff],
    };
    let mut out = vec![];
    for component in 0..3u8 {
        let plane = info.comp_plane(component) as usize;
        let across = info.format_info().w_sub()[component as usize];
        let down = info.format_info().h_sub()[component as usize];
        for y in 0..info.comp_height(component) as usize {
            for x in 0..info.comp_width(component) as usize {
                let rows = (y << down)..hole.height().min((y + 1) << down);
                let inside = rows.into_iter().all(|row| {
                    ((x << across)..hole.width().min((x + 1) << across))
                        .all(|column| hole.hole()[row * hole.width() + column] == 1)
                });
                if inside {
                    let within = match (info.format(), component) {
                        (VideoFormat::P01010le, 2) => 2,
                        _ => info.comp_poffset(component) as usize,
                    };
                    let first = offsets[plane]
                        + y * strides[plane] as usize
                        + x * info.comp_pstride(component) as usize
                        + within;
                    out.extend((first..).zip(bits.iter().copied()));
                }
            }
        }
    }
    out
}

/// Frame `i` with strides and offsets of its own.
fn padded(info: &VideoInfo, i: u64) -> (gst::Buffer, Vec<usize>, Vec<i32>) {
    let (mut offsets, mut strides, mut end) = (vec![], vec![], 0);
    for plane in 0..info.n_planes() as usize {
        let component = (0..3)
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

fn unmasked_pixels_stay(format: VideoFormat, (width, height): (u32, u32), count: u64) {
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
    element.set_property("mask-regions", regions(&[region]));
    let info = info(format, width, height);
    let mut harness = harness(&element, &info);
    let sources: Vec<_> = (0..count).map(|i| padded(&info, i)).collect();
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
        for (at, bits) in may_change(&info, offsets, strides, &hole) {
            (before[at], after[at]) = (before[at] & !bits, after[at] & !bits);
        }
        assert!(before == after, "{format} {width}x{height}");
        let meta = out.meta::<VideoMeta>().expect("kept");
        assert_eq!((meta.offset(), meta.stride()), (&offsets[..], &strides[..]));
    }
}

#[test]
fn unmasked_pixels_are_identical_in_every_format_at_odd_sizes_and_strides() {
    for format in FORMATS {
        for size in [(1, 1), (3, 5), (33, 17), (127, 65)] {
            unmasked_pixels_stay(format, size, 3);
        }
        unmasked_pixels_stay(format, (1919, 1079), 1);
    }
}

/// A moving picture whose hole is not grey: what is filled has the colours around it.
#[test]
fn the_fill_of_every_format_has_the_colours_of_the_picture() {
    for format in FORMATS {
        let element = element();
        element.set_property("mask-regions", regions(&[[16, 8, 16, 8]]));
        let info = info(format, 48, 24);
        let mut harness = harness(&element, &info);
        // One colour all over, so that any fill from the picture is that colour.
        let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
        {
            let map = buffer.get_mut().unwrap();
            let mut frame = VideoFrameRef::from_buffer_ref_writable(map, &info).unwrap();
            for plane in 0..info.n_planes() {
                let pattern: &[u8] = match (format, plane) {
                    (VideoFormat::Rgb | VideoFormat::Bgr, _) => &[50, 120, 200],
                    (VideoFormat::Nv12, 0) => &[90],
                    (VideoFormat::Nv12, _) => &[100, 160],
                    // Luma 360, chroma 400 and 640 of 1023.
                    (VideoFormat::P01010le, 0) => &[0x00, 0x5a],
                    (VideoFormat::P01010le, _) => &[0x00, 0x64, 0x00, 0xa0],
                    (VideoFormat::I42010le, 0) => &[0x68, 0x01],
                    (VideoFormat::I42010le, 1) => &[0x90, 0x01],
                    (VideoFormat::I42010le, _) => &[0x80, 0x02],
                    (_, 0) if info.is_rgb() => &[50, 120, 200, 77],
                    (_, plane) => [&[90], &[100], &[160]][plane as usize],
                };
                let data = frame.plane_data_mut(plane).unwrap();
                for chunk in data.chunks_mut(pattern.len()) {
                    chunk.copy_from_slice(&pattern[..chunk.len()]);
                }
            }
        }
        let before = bytes(&buffer);
        for i in 0..8 {
            let mut buffer = buffer.copy_deep().unwrap();
            buffer.get_mut().unwrap().set_pts(FRAME * i);
            harness.push(buffer).unwrap();
        }
        harness.push_event(gst::event::Eos::new());
        for _ in 0..8 {
            let after = bytes(&harness.pull().unwrap());
            let ten = info.format_info().depth()[0] == 10;
            let samples = |bytes: &[u8]| -> Vec<i32> {
                match ten {
                    true => bytes
                        .chunks(2)
                        .map(|b| i32::from(u16::from_le_bytes([b[0], b[1]])))
                        .collect(),
                    false => bytes.iter().map(|&b| b.into()).collect(),
                }
            };
            // Two steps of 8 bits.
            let most = match format {
                VideoFormat::P01010le => 8 << 6,
                VideoFormat::I42010le => 8,
                _ => 2,
            };
            for (a, b) in samples(&before).into_iter().zip(samples(&after)) {
                assert!(a.abs_diff(b) <= most, "{format}: {a} became {b}");
            }
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
