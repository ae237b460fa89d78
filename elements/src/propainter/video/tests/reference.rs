//! Comparison with GStreamer's converter, which `videoconvert` uses.

use gst_video::{VideoConverter, VideoConverterConfig, VideoDitherMethod, VideoFrame};

use super::*;

const SIZE: (u32, u32) = (96, 48);
const BLOCK: usize = 16;

/// Blocks of one colour each, or of its green alone in all channels.
fn picture(gray: bool) -> Vec<u8> {
    let colors: [[u8; 3]; 9] = [
        [0, 0, 0],
        [255, 255, 255],
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
        [128, 128, 128],
        [200, 150, 40],
        [30, 90, 210],
        [77, 13, 140],
    ];
    let pixel = |x: usize, y: usize| colors[(x / BLOCK + 2 * (y / BLOCK)) % 9];
    let rows = (0..SIZE.1 as usize).flat_map(|y| (0..SIZE.0 as usize).map(move |x| (x, y)));
    let color = |[r, g, b]: [u8; 3]| if gray { [g; 3] } else { [r, g, b] };
    rows.flat_map(|(x, y)| color(pixel(x, y))).collect()
}

fn convert(from: &VideoInfo, to: &VideoInfo, buffer: gst::Buffer) -> gst::Buffer {
    let mut config = VideoConverterConfig::new();
    config.set_dither_method(VideoDitherMethod::None);
    let converter = VideoConverter::new(from, to, Some(config)).unwrap();
    let source = VideoFrame::from_buffer_readable(buffer, from).unwrap();
    let out = gst::Buffer::with_size(to.size()).unwrap();
    let mut out = VideoFrame::from_buffer_writable(out, to).unwrap();
    converter.frame(&source, &mut out);
    out.into_buffer()
}

/// Away from the borders, where both agree on what chroma covers.
fn compare(rgb: &[u8], info: &VideoInfo, what: &str) {
    let exact = picture(info.is_gray());
    let inner = match info.format_info().w_sub().get(1) {
        Some(2) => 6..10,
        _ => 4..12,
    };
    for y in (0..SIZE.1 as usize).filter(|y| inner.contains(&(y % BLOCK))) {
        for x in (0..SIZE.0 as usize).filter(|x| inner.contains(&(x % BLOCK))) {
            let at = 3 * (y * SIZE.0 as usize + x);
            for (a, b) in rgb[at..at + 3].iter().zip(&exact[at..at + 3]) {
                assert!(
                    a.abs_diff(*b) <= 3,
                    "{what} at {x}, {y}: {a} in place of {b}"
                );
            }
        }
    }
}

#[test]
fn every_format_agrees_with_gstreamers_converter() {
    gst::init().unwrap();
    // 96 pixels of 3 bytes need no padding.
    let plain = info(VideoFormat::Rgb, SIZE);
    // To RGB of 8 bits it takes short cuts of few bits.
    let deep = info(VideoFormat::Argb64, SIZE);
    let matrices = [
        VideoColorMatrix::Bt601,
        VideoColorMatrix::Bt709,
        VideoColorMatrix::Bt2020,
    ];
    let ranges = [VideoColorRange::Range0_255, VideoColorRange::Range16_235];
    for (matrix, range) in matrices.into_iter().flat_map(|m| ranges.map(|r| (m, r))) {
        for format in FORMATS {
            let info = colored(format, SIZE, matrix, range);
            let gray = info.is_gray();
            let what = format!("{format} {matrix:?} {range:?}");
            let converter = Converter::new(&info).unwrap();
            let theirs = convert(&plain, &info, gst::Buffer::from_mut_slice(picture(gray)));
            let read = converter.read(&theirs).unwrap();
            compare(read.rgb(), &info, &format!("{what} read"));

            let frame = Frame::new(SIZE.0 as usize, SIZE.1 as usize, picture(gray));
            let mut ours = gst::Buffer::with_size(info.size()).unwrap();
            converter
                .write(ours.get_mut().unwrap(), &whole(frame))
                .unwrap();
            let theirs = bytes(&convert(&info, &deep, ours));
            let channel = |c: &[u8]| (u32::from(u16::from_ne_bytes([c[0], c[1]])) + 128) / 257;
            let rgb: Vec<u8> = theirs
                .chunks(8)
                .flat_map(|argb| argb[2..].chunks(2).map(|c| channel(c) as u8))
                .collect();
            compare(&rgb, &info, &format!("{what} written"));
        }
    }
}
