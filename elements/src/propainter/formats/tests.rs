mod alpha;
mod on_device;
mod reference;

use gst_video::{
    VideoColorMatrix, VideoColorPrimaries, VideoColorimetry, VideoFrameFlags, VideoMeta,
    VideoTransferFunction,
};

use super::*;

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
        let component = (0..3)
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

/// All of the picture is hole.
fn whole(frame: Frame) -> Done {
    let (width, height) = (frame.width(), frame.height());
    let hole = Mask::from_luma(width, height, vec![1; width * height]);
    Done { frame, hole }
}

fn depth(info: &VideoInfo) -> (u32, u32) {
    let format = info.format_info();
    (format.depth()[0], format.shift()[0])
}

/// The sample whose first byte is `at`.
fn sample(info: &VideoInfo, bytes: &[u8], at: usize) -> u16 {
    match depth(info) {
        (8, _) => bytes[at].into(),
        (_, shift) => (u16::from_le_bytes([bytes[at], bytes[at + 1]]) >> shift) & 0x3ff,
    }
}

/// Puts a sample where another was; bits beside it stay.
fn put(info: &VideoInfo, bytes: &mut [u8], at: usize, value: u16) {
    match depth(info) {
        (8, _) => bytes[at] = value as u8,
        (_, shift) => {
            let word = u16::from_le_bytes([bytes[at], bytes[at + 1]]);
            let word = word & !(0x3ff << shift) | value << shift;
            bytes[at..at + 2].copy_from_slice(&word.to_le_bytes());
        }
    }
}

fn each(mut check: impl FnMut(&VideoInfo, usize)) {
    gst::init().unwrap();
    for format in FORMATS {
        for size in SIZES {
            for pad in [0, 3, 64] {
                check(&info(format, size), pad);
            }
        }
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
        if !info.is_rgb() {
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
    for format in FORMATS.into_iter().filter(|&f| !info(f, (1, 1)).is_rgb()) {
        for (matrix, range) in matrices.into_iter().flat_map(|m| ranges.map(|r| (m, r))) {
            for (size, pad) in SIZES.into_iter().flat_map(|s| [(s, 0), (s, 3)]) {
                let info = colored(format, size, matrix, range);
                let converter = Converter::new(&info).unwrap();
                let mut source = buffer(&info, pad, 5);
                // Noise within colours that RGB can show.
                let places: Vec<_> = (0..3)
                    .flat_map(|component| covered(&info, &source, component))
                    .collect();
                {
                    let mut map = source.get_mut().unwrap().map_writable().unwrap();
                    let mut seed = 7;
                    for (at, _) in &places {
                        let unit = 1 << (depth(&info).0 - 8);
                        let noise = u16::from(random(&mut seed)) % (40 * unit);
                        put(&info, &mut map, *at, 108 * unit + noise);
                    }
                }
                let done = whole(converter.read(&source).unwrap());
                let mut out = source.copy_deep().unwrap();
                converter.write(out.get_mut().unwrap(), &done).unwrap();
                let (before, after) = (bytes(&source), bytes(&out));
                // 8-bit RGB has a quarter of the steps of 10 bits.
                let most = if depth(&info).0 == 8 { 1 } else { 4 };
                for (at, _) in &places {
                    let (a, b) = (sample(&info, &before, *at), sample(&info, &after, *at));
                    assert!(
                        a.abs_diff(b) <= most,
                        "{format} {size:?} {matrix:?} {range:?}: {a} {b}"
                    );
                }
            }
        }
    }
}

/// Which samples `write` may touch, from the definition: byte → all pixels it covers.
fn covered(info: &VideoInfo, buffer: &gst::BufferRef, component: u8) -> Vec<(usize, Vec<usize>)> {
    let (width, height) = (info.width() as usize, info.height() as usize);
    let meta = buffer.meta::<VideoMeta>();
    let plane = info.comp_plane(component) as usize;
    let (offset, stride) = match &meta {
        Some(meta) => (meta.offset()[plane], meta.stride()[plane] as usize),
        None => (info.offset()[plane], info.stride()[plane] as usize),
    };
    let across = info.format_info().w_sub()[component as usize];
    let down = info.format_info().h_sub()[component as usize];
    let mut out = vec![];
    for y in 0..info.comp_height(component) as usize {
        for x in 0..info.comp_width(component) as usize {
            let inside = match (info.format(), component) {
                (VideoFormat::P01010le, 2) => 2,
                _ => info.comp_poffset(component) as usize,
            };
            let byte = offset + inside + y * stride + x * info.comp_pstride(component) as usize;
            let rows = (y << down)..height.min((y + 1) << down);
            let pixels = rows
                .flat_map(|row| {
                    ((x << across)..width.min((x + 1) << across)).map(move |c| row * width + c)
                })
                .collect();
            out.push((byte, pixels));
        }
    }
    out
}

#[test]
fn only_samples_whose_every_pixel_is_hole_are_written() {
    each(|info, pad| {
        let converter = Converter::new(info).unwrap();
        let (width, height) = (info.width() as usize, info.height() as usize);
        let source = buffer(info, pad, 2);
        let hole = hole(width, height);
        let done = Done {
            frame: Frame::new(width, height, vec![200; 3 * width * height]),
            hole: hole.clone(),
        };
        let mut out = source.copy_deep().unwrap();
        converter.write(out.get_mut().unwrap(), &done).unwrap();
        let (before, after) = (bytes(&source), bytes(&out));
        let mut expected = before.clone();
        let grey = Coefficients::new(0.299, 0.114, false, depth(info).0);
        for component in 0..3 {
            for (byte, pixels) in covered(info, &source, component) {
                if pixels.iter().all(|&p| hole.hole()[p] == 1) {
                    let value = match (info.is_rgb(), component) {
                        (true, _) => 200,
                        (false, 0) => grey.luma([200; 3]) as u16,
                        (false, _) => 128 << (depth(info).0 - 8),
                    };
                    put(info, &mut expected, byte, value);
                }
            }
        }
        assert!(after == expected, "{info:?} with {pad} bytes of padding");
    });
}

#[test]
fn channels_are_where_the_format_says() {
    gst::init().unwrap();
    let cases: [(VideoFormat, &[u8]); 6] = [
        (VideoFormat::Rgb, &[1, 2, 3]),
        (VideoFormat::Bgr, &[3, 2, 1]),
        (VideoFormat::Rgba, &[1, 2, 3, 4]),
        (VideoFormat::Rgbx, &[1, 2, 3, 4]),
        (VideoFormat::Bgra, &[3, 2, 1, 4]),
        (VideoFormat::Bgrx, &[3, 2, 1, 4]),
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
        put(&info, &mut data, 0, luma);
        for plane in [1, 2] {
            put(&info, &mut data, info.offset()[plane], 512);
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
    let done = Done {
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

#[test]
fn buffers_that_do_not_fit_their_caps_are_errors() {
    gst::init().unwrap();
    for format in FORMATS {
        let info = info(format, (16, 8));
        let converter = Converter::new(&info).unwrap();
        for length in [0, 1, info.size() - 1] {
            let small = gst::Buffer::from_mut_slice(vec![0u8; length]);
            let error = converter.read(&small).unwrap_err().to_string();
            assert!(error.contains("16x8"), "{error}");
        }
        // A meta that lies about a plane's place, and one of another size.
        for (width, offset, stride) in [
            (16, usize::MAX, 16),
            (16, 0, i32::MAX),
            (16, 0, -64),
            (16, 0, 0),
            (8, 0, 64),
        ] {
            let mut buffer = gst::Buffer::from_mut_slice(vec![0u8; info.size()]);
            let planes = info.n_planes() as usize;
            let meta = VideoMeta::add_full(
                buffer.get_mut().unwrap(),
                VideoFrameFlags::empty(),
                format,
                width,
                8,
                &vec![offset; planes],
                &vec![stride; planes],
            );
            if meta.is_ok() {
                assert!(
                    converter.read(&buffer).is_err(),
                    "{format} {width} {offset} {stride}"
                );
            }
        }
    }
}
