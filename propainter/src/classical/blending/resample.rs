//! Resampling of frames at subpixel positions.

use crate::{Frame, classical::fields::grid::floor};

/// Returns the colour at a position by Catmull–Rom interpolation. The edge pixels extend beyond the
/// frame.
pub fn cubic(frame: &Frame, x: f32, y: f32) -> [f32; 3] {
    let (x0, y0) = (floor(x) - 1, floor(y) - 1);
    // A byte more than four pixels is read, which belongs to a fifth pixel of the row.
    if x0 >= 0 && y0 >= 0 && x0 + 5 <= frame.width() as isize && y0 + 4 <= frame.height() as isize {
        let (wx, wy) = (weights(x - (x0 + 1) as f32), weights(y - (y0 + 1) as f32));
        return cubic_inside(frame, (x0 as usize, y0 as usize), wx, wy);
    }
    cubic_at_edge(frame, x, y)
}

/// Computes [`cubic`] anywhere: the reference form.
fn cubic_at_edge(frame: &Frame, x: f32, y: f32) -> [f32; 3] {
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

/// Does the operations of [`cubic_at_edge`], in its order, on four lanes: red, green, blue and one that is
/// not used. The 4×4 pixels from (x, y) and the one right of them lie within the frame.
fn cubic_inside(frame: &Frame, (x, y): (usize, usize), wx: [f32; 4], wy: [f32; 4]) -> [f32; 3] {
    let mut out = [0.0; 4];
    for (row, wy) in wy.into_iter().enumerate() {
        let pixels = &frame.rgb()[3 * ((y + row) * frame.width() + x)..][..13];
        let mut line = [0.0; 4];
        for (column, wx) in wx.into_iter().enumerate() {
            for c in 0..4 {
                line[c] += wx * f32::from(pixels[3 * column + c]);
            }
        }
        for c in 0..4 {
            out[c] += wy * line[c];
        }
    }
    [out[0], out[1], out[2]]
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
    fn the_middle_of_a_frame_is_resampled_as_its_edge() {
        let (width, height) = (9, 7);
        let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 9) as u8;
        let frame = Frame::new(width, height, (0..3 * width * height).map(noise).collect());
        for i in 0..200 {
            let (x, y) = (1.0 + 0.0173 * i as f32, 1.0 + 0.0117 * i as f32);
            assert_eq!(cubic(&frame, x, y), cubic_at_edge(&frame, x, y), "{x}, {y}");
        }
    }

    #[test]
    fn any_position_has_a_colour() {
        let frame = Frame::new(1, 1, vec![1, 2, 3]);
        assert_eq!(cubic(&frame, -5.0, 1e6), [1.0, 2.0, 3.0]);
    }
}
