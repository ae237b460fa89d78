mod alpha;
mod canvas;
mod exact;
mod invalid;
mod on_device;
mod reference;
mod spots;

use gst_video::{
    VideoColorMatrix, VideoColorPrimaries, VideoColorRange, VideoColorimetry, VideoFormat,
    VideoFrameFlags, VideoInfo, VideoMeta, VideoTransferFunction,
};

use std::sync::Arc;

use propainter::{Frame, InpaintedFrame, Mask};

use self::spots::{colors, spots};
use super::{
    converter::{Converter, read_gray},
    formats::FORMATS,
};

const SIZES: [(u32, u32); 7] = [(1, 1), (2, 1), (3, 5), (7, 5), (16, 8), (33, 17), (131, 3)];

fn random(seed: &mut u64) -> u8 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 56) as u8
}

fn noise(length: usize, mut seed: u64) -> Vec<u8> {
    (0..length).map(|_| random(&mut seed)).collect()
}

/// A buffer of noise; `pad` bytes more than needed in each row and before each plane.
fn buffer(info: &VideoInfo, pad: usize, seed: u64) -> gst::Buffer {
    if pad == 0 {
        return gst::Buffer::from_mut_slice(noise(info.size(), seed));
    }
    let (mut offsets, mut strides, mut end) = (vec![], vec![], 0);
    for plane in 0..info.n_planes() as usize {
        let stride = info.stride()[plane] as usize + pad;
        let component = (0..info.n_components() as u8)
            .find(|&c| info.comp_plane(c) as usize == plane)
            .unwrap();
        offsets.push(end + pad);
        strides.push(stride as i32);
        end += pad + stride * info.comp_height(component) as usize;
    }
    let mut buffer = gst::Buffer::from_mut_slice(noise(end, seed));
    VideoMeta::add_full(
        buffer.get_mut().unwrap(),
        VideoFrameFlags::empty(),
        info.format(),
        info.width(),
        info.height(),
        &offsets,
        &strides,
    )
    .unwrap();
    buffer
}

fn bytes(buffer: &gst::BufferRef) -> Vec<u8> {
    buffer.map_readable().unwrap().to_vec()
}

fn info(format: VideoFormat, (width, height): (u32, u32)) -> VideoInfo {
    VideoInfo::builder(format, width, height).build().unwrap()
}

/// With a matrix and a range; RGB has none.
fn colored(
    format: VideoFormat,
    (width, height): (u32, u32),
    matrix: VideoColorMatrix,
    range: VideoColorRange,
) -> VideoInfo {
    let builder = VideoInfo::builder(format, width, height);
    if info(format, (1, 1)).is_rgb() {
        return builder.build().unwrap();
    }
    let colorimetry = VideoColorimetry::new(
        range,
        matrix,
        VideoTransferFunction::Bt709,
        VideoColorPrimaries::Bt709,
    );
    builder.colorimetry(&colorimetry).build().unwrap()
}

/// Returns a mask that covers the whole frame.
fn whole(frame: Frame) -> InpaintedFrame {
    let (width, height) = (frame.width(), frame.height());
    let hole = Mask::from_luma(width, height, vec![1; width * height]);
    InpaintedFrame { frame, hole }
}

fn each(mut check: impl FnMut(&VideoInfo, usize)) {
    gst::init().unwrap();
    for format in FORMATS {
        for size in SIZES {
            for pad in [0, 3, 64] {
                check(&info(format, size), pad);
            }
        }
    }
    // One format of each way to store samples.
    for format in [
        VideoFormat::Bgr,
        VideoFormat::Argb,
        VideoFormat::I420,
        VideoFormat::I42210le,
        VideoFormat::P01010be,
        VideoFormat::Gbr10le,
        VideoFormat::Gray16Le,
        VideoFormat::Uyvy,
        VideoFormat::Y210,
        VideoFormat::V210,
    ] {
        check(&info(format, (1919, 1079)), 5);
    }
}

/// A checkered hole with solid parts, so that chroma blocks are whole, cut and untouched.
fn hole(width: usize, height: usize) -> Mask {
    let hole = (0..width * height)
        .map(|i| (i % width, i / width))
        .map(|(x, y)| u8::from((x / 3 + y / 3) % 2 == 0))
        .collect();
    Mask::from_luma(width, height, hole)
}

#[test]
fn packed_pictures_come_back_bit_for_bit() {
    each(|info, pad| {
        if !info.is_rgb() || info.comp_depth(0) != 8 {
            return;
        }
        let converter = Converter::new(info).unwrap();
        let source = buffer(info, pad, 1);
        let done = whole(converter.read(&source).unwrap());
        let mut out = source.copy_deep().unwrap();
        converter.write(out.get_mut().unwrap(), &done).unwrap();
        assert!(bytes(&out) == bytes(&source), "{info:?} {pad}");
    });
}

#[test]
fn round_trip_error_is_at_most_one_step_of_8_bits_in_every_matrix_range_and_stride() {
    gst::init().unwrap();
    let matrices = [
        VideoColorMatrix::Bt601,
        VideoColorMatrix::Bt709,
        VideoColorMatrix::Bt2020,
        VideoColorMatrix::Smpte240m,
    ];
    let ranges = [VideoColorRange::Range0_255, VideoColorRange::Range16_235];
    for format in FORMATS {
        for (matrix, range) in matrices.into_iter().flat_map(|m| ranges.map(|r| (m, r))) {
            for (size, pad) in SIZES.into_iter().flat_map(|s| [(s, 0), (s, 3)]) {
                let info = colored(format, size, matrix, range);
                let converter = Converter::new(&info).unwrap();
                let mut source = buffer(&info, pad, 5);
                let unit = 1 << (info.comp_depth(0) - 8);
                // Noise within colours that RGB can show.
                let places: Vec<_> = (0..colors(&info))
                    .flat_map(|component| spots(&info, &source, component))
                    .collect();
                {
                    let mut map = source.get_mut().unwrap().map_writable().unwrap();
                    let mut seed = 7;
                    for spot in &places {
                        let noise = u16::from_le_bytes([random(&mut seed), random(&mut seed)]);
                        spot.put(&mut map, 108 * unit + u32::from(noise) % (40 * unit));
                    }
                }
                let done = whole(converter.read(&source).unwrap());
                let mut out = source.copy_deep().unwrap();
                converter.write(out.get_mut().unwrap(), &done).unwrap();
                let (before, after) = (bytes(&source), bytes(&out));
                // The steps of 8-bit RGB are as many times larger.
                for spot in &places {
                    let (a, b) = (spot.get(&before), spot.get(&after));
                    assert!(
                        a.abs_diff(b) <= unit,
                        "{format} {size:?} {matrix:?} {range:?}: {a} {b}"
                    );
                }
            }
        }
    }
}

#[test]
fn only_samples_whose_every_pixel_is_hole_are_written() {
    each(|info, pad| {
        let converter = Converter::new(info).unwrap();
        let (width, height) = (info.width() as usize, info.height() as usize);
        let source = buffer(info, pad, 2);
        let hole = hole(width, height);
        let done = InpaintedFrame {
            frame: Frame::new(width, height, vec![200; 3 * width * height]),
            hole: hole.clone(),
        };
        let mut out = source.copy_deep().unwrap();
        converter.write(out.get_mut().unwrap(), &done).unwrap();
        let (before, after) = (bytes(&source), bytes(&out));
        let mut expected = before.clone();
        for component in 0..colors(info) {
            let depth = info.comp_depth(component);
            let (unit, most) = (1 << (depth - 8), (1 << depth) - 1);
            let value = match (info.is_rgb() || info.is_gray(), component) {
                (true, _) => (200 * most + 127) / 255,
                // Limited range, as everything without colorimetry.
                (false, 0) => 16 * unit + (200 * 219 * unit + 127) / 255,
                (false, _) => 128 * unit,
            };
            for spot in spots(info, &source, component) {
                if spot.is_hole(&hole) {
                    spot.put(&mut expected, value);
                }
            }
        }
        assert!(after == expected, "{info:?} with {pad} bytes of padding");
    });
}

#[test]
fn channels_are_where_the_format_says() {
    gst::init().unwrap();
    let cases: [(VideoFormat, &[u8]); 14] = [
        (VideoFormat::Rgb, &[1, 2, 3]),
        (VideoFormat::Bgr, &[3, 2, 1]),
        (VideoFormat::Rgba, &[1, 2, 3, 4]),
        (VideoFormat::Rgbx, &[1, 2, 3, 4]),
        (VideoFormat::Bgra, &[3, 2, 1, 4]),
        (VideoFormat::Bgrx, &[3, 2, 1, 4]),
        (VideoFormat::Argb, &[4, 1, 2, 3]),
        (VideoFormat::Xrgb, &[4, 1, 2, 3]),
        (VideoFormat::Abgr, &[4, 3, 2, 1]),
        (VideoFormat::Xbgr, &[4, 3, 2, 1]),
        // Planes of four bytes a row.
        (VideoFormat::Gbr, &[2, 0, 0, 0, 3, 0, 0, 0, 1]),
        (VideoFormat::Rgbp, &[1, 0, 0, 0, 2, 0, 0, 0, 3]),
        // 4, 8 and 12 of 1023.
        (VideoFormat::Gbr10le, &[8, 0, 0, 0, 12, 0, 0, 0, 4, 0]),
        (VideoFormat::R210, &[0, 0x40, 0x20, 0x0c]),
    ];
    for (format, pixel) in cases {
        let info = info(format, (1, 1));
        let mut data = pixel.to_vec();
        data.resize(info.size(), 0);
        let buffer = gst::Buffer::from_mut_slice(data);
        let frame = Converter::new(&info).unwrap().read(&buffer).unwrap();
        assert_eq!(frame.rgb(), [1, 2, 3], "{format}");
    }
}

/// Red of BT.601 in limited range, in every way to store its samples.
#[test]
fn luma_and_chroma_are_where_the_format_says() {
    gst::init().unwrap();
    const RED: [u8; 3] = [81, 90, 240];
    let cases: [(VideoFormat, &[u8]); 11] = [
        (VideoFormat::V308, &[81, 90, 240]),
        (VideoFormat::Iyu2, &[90, 81, 240]),
        (VideoFormat::Ayuv, &[7, 81, 90, 240]),
        (VideoFormat::Vuya, &[240, 90, 81, 7]),
        (VideoFormat::Yuy2, &[81, 90, 81, 240]),
        (VideoFormat::Yvyu, &[81, 240, 81, 90]),
        (VideoFormat::Uyvy, &[90, 81, 240, 81]),
        (VideoFormat::Vyuy, &[240, 81, 90, 81]),
        // 324, 360 and 960 of 1023: at the high end of words, and three in one.
        (
            VideoFormat::Y210,
            &[0x00, 0x51, 0x00, 0x5a, 0x00, 0x51, 0x00, 0xf0],
        ),
        (VideoFormat::V210, &[0x68, 0x11, 0x05, 0x3c]),
        (
            VideoFormat::P016Le,
            &[0, 0x51, 0, 0, 0, 0, 0, 0, 0, 0x5a, 0, 0xf0],
        ),
    ];
    let plain = info(VideoFormat::V308, (1, 1));
    let expected = Converter::new(&plain).unwrap();
    let source = gst::Buffer::from_slice([RED[0], RED[1], RED[2], 0]);
    let expected = expected.read(&source).unwrap();
    assert!(expected.rgb()[0] > 250 && expected.rgb()[1] < 4, "red");
    for (format, pixel) in cases {
        let info = info(format, (1, 1));
        let mut data = pixel.to_vec();
        data.resize(data.len().max(info.size()), 0);
        let buffer = gst::Buffer::from_mut_slice(data);
        let frame = Converter::new(&info).unwrap().read(&buffer).unwrap();
        assert_eq!(frame, expected, "{format}");
    }
}

#[test]
fn nv12_and_i420_of_one_picture_are_the_same_rgb() {
    gst::init().unwrap();
    let (nv12, i420) = (
        info(VideoFormat::Nv12, (7, 5)),
        info(VideoFormat::I420, (7, 5)),
    );
    let planar = buffer(&i420, 0, 9);
    let from = bytes(&planar);
    let mut to = vec![0; nv12.size()];
    for y in 0..5 {
        for x in 0..7 {
            to[y * nv12.stride()[0] as usize + x] = from[y * i420.stride()[0] as usize + x];
        }
    }
    for y in 0..3 {
        for x in 0..4 {
            for c in 0..2 {
                to[nv12.offset()[1] + y * nv12.stride()[1] as usize + 2 * x + c] =
                    from[i420.offset()[1 + c] + y * i420.stride()[1 + c] as usize + x];
            }
        }
    }
    let interleaved = gst::Buffer::from_mut_slice(to);
    let planar = Converter::new(&i420).unwrap().read(&planar).unwrap();
    let interleaved = Converter::new(&nv12).unwrap().read(&interleaved).unwrap();
    assert_eq!(planar, interleaved);
}

#[test]
fn ten_bits_are_rounded_and_not_cut_off() {
    gst::init().unwrap();
    let format = VideoFormat::I42010le;
    let (matrix, range) = (VideoColorMatrix::Bt709, VideoColorRange::Range0_255);
    let info = colored(format, (1, 1), matrix, range);
    let converter = Converter::new(&info).unwrap();
    for luma in 0..1024u16 {
        let mut data = vec![0; info.size()];
        for (plane, value) in [(0, luma), (1, 512), (2, 512)] {
            data[info.offset()[plane]..][..2].copy_from_slice(&value.to_le_bytes());
        }
        let frame = converter.read(&gst::Buffer::from_mut_slice(data)).unwrap();
        let exact = (f64::from(luma) * 255.0 / 1023.0).round() as u8;
        assert_eq!(frame.rgb(), [exact; 3], "{luma}");
    }
}

#[test]
fn gray_of_limited_range_is_brought_to_full() {
    gst::init().unwrap();
    let (matrix, range) = (VideoColorMatrix::Bt601, VideoColorRange::Range16_235);
    let info = colored(VideoFormat::Gray8, (8, 1), matrix, range);
    let source = [0, 15, 16, 17, 126, 234, 235, 255];
    let gray = read_gray(&info, &gst::Buffer::from_slice(source)).unwrap();
    assert_eq!(gray, [0, 0, 0, 1, 128, 254, 255, 255]);
}

#[test]
fn a_shared_buffer_is_not_written_through() {
    gst::init().unwrap();
    let info = info(VideoFormat::I420, (16, 8));
    let source = buffer(&info, 0, 3);
    let before = bytes(&source);
    // As behind a tee: two buffers, one memory.
    let mut out = source.clone();
    let done = InpaintedFrame {
        frame: Frame::new(16, 8, vec![77; 3 * 16 * 8]),
        hole: Mask::from_luma(16, 8, vec![1; 16 * 8]),
    };
    Converter::new(&info)
        .unwrap()
        .write(out.make_mut(), &done)
        .unwrap();
    assert_eq!(bytes(&source), before);
    assert_ne!(bytes(&out), before);
}
