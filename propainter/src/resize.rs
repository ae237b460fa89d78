//! Scales frames to processing size and back (spec section 7, step 1).

use fast_image_resize::{
    CpuExtensions, FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};

use crate::{Frame, Mask, device::isa::Isa};

/// Pixels of the narrowest processing width that a session gives up resolution for.
const NARROWEST: usize = 320;

/// Returns the processing size, (width, height): the wanted size, or the frames' own times the
/// ratio (truncated), rounded down to multiples of 8 and at least 8.
pub fn processing_size(
    (width, height): (usize, usize),
    (wanted_width, wanted_height): (Option<usize>, Option<usize>),
    ratio: f64,
) -> (usize, usize) {
    let side = |wanted: Option<usize>, own: usize| {
        let side = wanted.unwrap_or((own as f64 * ratio) as usize);
        (side / 8 * 8).max(8)
    };
    (side(wanted_width, width), side(wanted_height, height))
}

/// Returns the next smaller processing size of a session that gives up resolution: about three
/// quarters of each side, multiples of 8. `None` if that is narrower than the narrowest.
pub(crate) fn smaller((width, height): (usize, usize)) -> Option<(usize, usize)> {
    let smaller = |side: usize| (side * 3 / 4 / 8 * 8).max(8);
    let size = (smaller(width), smaller(height));
    (size.0 >= NARROWEST).then_some(size)
}

/// Scales a frame with Pillow's default filter: bicubic, widened when it shrinks.
pub fn to_processing(frame: &Frame, size: (usize, usize)) -> Frame {
    resized(frame, size, FilterType::CatmullRom)
}

/// Scales `fill` to the size of `source` and puts it into the hole, which has that size.
pub fn compose(source: Frame, fill: &Frame, hole: &Mask) -> Frame {
    let fill = resized(
        fill,
        (source.width(), source.height()),
        FilterType::Bilinear,
    );
    let mut frame = source;
    let pixels = frame
        .rgb_mut()
        .chunks_exact_mut(3)
        .zip(fill.rgb().chunks_exact(3));
    for ((pixel, fill), &hole) in pixels.zip(hole.hole()) {
        if hole == 1 {
            pixel.copy_from_slice(fill);
        }
    }
    frame
}

/// Returns a resizer that uses the instruction set of the kernels.
fn resizer() -> Resizer {
    let mut resizer = Resizer::new();
    if Isa::best().is_portable() {
        // SAFETY: every processor can run code without extensions.
        unsafe { resizer.set_cpu_extensions(CpuExtensions::None) };
    }
    resizer
}

fn resized(frame: &Frame, (width, height): (usize, usize), filter: FilterType) -> Frame {
    if (frame.width(), frame.height()) == (width, height) {
        return frame.clone();
    }
    let source = ImageRef::new(
        frame.width() as u32,
        frame.height() as u32,
        frame.rgb(),
        PixelType::U8x3,
    )
    .expect("a frame's bytes fit its size");
    let mut out = Image::new(width as u32, height as u32, PixelType::U8x3);
    resizer()
        .resize(
            &source,
            &mut out,
            &ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)),
        )
        .expect("both images are RGB");
    Frame::new(width, height, out.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processing_size_is_a_multiple_of_eight_and_at_least_eight() {
        assert_eq!(processing_size((432, 240), (None, None), 1.0), (432, 240));
        assert_eq!(
            processing_size((1919, 1079), (None, None), 1.0),
            (1912, 1072)
        );
        assert_eq!(processing_size((854, 480), (None, None), 0.5), (424, 240));
        assert_eq!(processing_size((7, 5), (None, None), 1.0), (8, 8));
        assert_eq!(
            processing_size((1920, 1080), (Some(645), Some(360)), 1.0),
            (640, 360)
        );
    }

    #[test]
    fn compose_touches_nothing_outside_the_hole() {
        let source = Frame::new(
            21,
            13,
            (0..21 * 13 * 3).map(|i| (i * 7 % 251) as u8).collect(),
        );
        let mut hole = Mask::empty(16, 8);
        hole.add_rectangle(4, 2, 5, 3);
        let fill = Frame::new(16, 8, vec![200; 16 * 8 * 3]);
        let wide = hole.resized(21, 13);
        let frame = compose(source.clone(), &fill, &wide);
        assert!(wide.hole().contains(&1));
        for (i, &hole) in wide.hole().iter().enumerate() {
            let (new, old) = (
                &frame.rgb()[3 * i..3 * i + 3],
                &source.rgb()[3 * i..3 * i + 3],
            );
            assert_eq!(new, if hole == 1 { &[200; 3] } else { old });
        }
    }
}
