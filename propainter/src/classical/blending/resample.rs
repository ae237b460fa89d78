//! Resampling of frames at subpixel positions.

use crate::{Frame, classical::fields::grid::floor};

/// Returns the colour at a position by Catmull–Rom interpolation. The edge pixels extend beyond the
/// frame.
pub fn cubic(frame: &Frame, x: f32, y: f32) -> [f32; 3] {
    let (x0, y0) = (floor(x), floor(y));
    let (wx, wy) = (weights(x - x0 as f32), weights(y - y0 as f32));
    let (x0, y0) = (x0 - 1, y0 - 1);
    let (width, height) = (frame.width() as isize, frame.height() as isize);
    let rgb = frame.rgb();
    let mut out = [0.0; 3];
    let columns: [usize; 4] =
        std::array::from_fn(|i| 3 * (x0 + i as isize).clamp(0, width - 1) as usize);
    for (row, wy) in wy.into_iter().enumerate() {
        let start = (y0 + row as isize).clamp(0, height - 1) as usize * 3 * width as usize;
        let mut line = [0.0; 3];
        for (column, wx) in columns.into_iter().zip(wx) {
            let pixel = &rgb[start + column..start + column + 3];
            for c in 0..3 {
                line[c] += wx * f32::from(pixel[c]);
            }
        }
        for c in 0..3 {
            out[c] += wy * line[c];
        }
    }
    out
}

/// Returns the weights of the four pixels around a fractional position.
fn weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [
        0.5 * (2.0 * t2 - t3 - t),
        0.5 * (3.0 * t3 - 5.0 * t2 + 2.0),
        0.5 * (4.0 * t2 - 3.0 * t3 + t),
        0.5 * (t3 - t2),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_reproduced_and_ramps_stay_linear() {
        let (width, height) = (12, 9);
        let ramp = |i: usize| [10 * (i % width), 20 * (i / width), 7].map(|v| v as u8);
        let frame = Frame::new(width, height, (0..width * height).flat_map(ramp).collect());
        assert_eq!(cubic(&frame, 4.0, 3.0), [40.0, 60.0, 7.0]);
        assert_eq!(cubic(&frame, 0.0, 8.0), [0.0, 160.0, 7.0]);
        for (x, y) in [(3.3, 4.6), (5.5, 2.25)] {
            let [r, g, b] = cubic(&frame, x, y);
            assert!((r - 10.0 * x).abs() < 1e-3 && (g - 20.0 * y).abs() < 1e-3);
            assert!((b - 7.0).abs() < 1e-4);
        }
    }

    #[test]
    fn any_position_has_a_colour() {
        let frame = Frame::new(1, 1, vec![1, 2, 3]);
        assert_eq!(cubic(&frame, -5.0, 1e6), [1.0, 2.0, 3.0]);
    }
}
