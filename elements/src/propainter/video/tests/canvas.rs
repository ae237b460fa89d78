//! Frames on a canvas: every sample of the frame is where it belongs, the border has the fill.

use propainter::Border;

use super::*;
use crate::propainter::video::canvas::Canvas;

const BORDERS: [Border; 3] = [
    Border {
        left: 3,
        right: 2,
        top: 1,
        bottom: 5,
    },
    Border {
        left: 0,
        right: 9,
        top: 0,
        bottom: 0,
    },
    Border {
        left: 8,
        right: 0,
        top: 12,
        bottom: 0,
    },
];

/// A canvas of one colour with the border as its hole.
fn done(border: Border, size: (usize, usize)) -> InpaintedFrame {
    let (width, height) = border.around(size);
    let picture = border.picture(size);
    let hole =
        (0..width * height).map(|at| u8::from(picture.index([at / width, at % width]).is_none()));
    InpaintedFrame {
        frame: Frame::new(width, height, [50, 120, 200].repeat(width * height)),
        hole: Mask::from_luma(width, height, hole.collect()),
    }
}

fn lies_whole_within_its_border(source_info: &VideoInfo, pad: usize, border: Border) {
    let caps = source_info.to_caps().unwrap();
    let converter = Converter::new(source_info).unwrap();
    let canvas = Canvas::new(&caps, &converter, border).unwrap();
    let info = VideoInfo::from_caps(canvas.caps()).unwrap();
    let source = buffer(source_info, pad, 3);
    let size = (source_info.width() as usize, source_info.height() as usize);
    let border = canvas.border();
    let done = done(border, size);
    let out = canvas.compose(&converter, &source, &done).unwrap();

    // All of a canvas of the fill's colour.
    let mut filled = gst::Buffer::with_size(info.size()).unwrap();
    let whole = whole(done.frame.clone());
    let output = Converter::new(&info).unwrap();
    output.write(filled.get_mut().unwrap(), &whole).unwrap();
    let (before, after, filled) = (bytes(&source), bytes(&out), bytes(&filled));
    let what = format!("{} {size:?} {border:?}", info.format());
    let format = info.format_info();
    for c in 0..info.n_components() as u8 {
        let (from, to) = (spots(source_info, &source, c), spots(&info, &out, c));
        let left = border.left >> format.w_sub()[usize::from(c)];
        let top = border.top >> format.h_sub()[usize::from(c)];
        let (columns, own) = (
            info.comp_width(c) as usize,
            source_info.comp_width(c) as usize,
        );
        let mut taken = 0;
        for (at, spot) in to.iter().enumerate() {
            let value = spot.get(&after);
            if !spot.is_hole(&done.hole) {
                let from = &from[(at / columns - top) * own + at % columns - left];
                assert_eq!(value, from.get(&before), "{what}: sample {at} of {c}");
                taken += 1;
            } else if c == 3 {
                assert_eq!(value, (1 << spot.depth) - 1, "{what}: alpha {at}");
            } else {
                assert_eq!(value, spot.get(&filled), "{what}: fill {at} of {c}");
            }
        }
        assert_eq!(taken, from.len(), "{what}: component {c}");
    }
}

#[test]
fn a_frame_of_any_format_lies_whole_within_its_border() {
    gst::init().unwrap();
    for format in FORMATS {
        for size in SIZES {
            for (border, pad) in BORDERS.into_iter().zip([0, 3, 64]) {
                lies_whole_within_its_border(&info(format, size), pad, border);
            }
        }
    }
}

#[test]
fn a_buffer_that_is_too_small_is_an_error() {
    gst::init().unwrap();
    let info = info(VideoFormat::I420, (16, 8));
    let converter = Converter::new(&info).unwrap();
    let canvas = Canvas::new(&info.to_caps().unwrap(), &converter, BORDERS[1]).unwrap();
    let small = gst::Buffer::with_size(info.size() - 1).unwrap();
    let done = done(canvas.border(), (16, 8));
    assert!(canvas.compose(&converter, &small, &done).is_err());
}
