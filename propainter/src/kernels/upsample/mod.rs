//! Bilinear upsampling by 2 with aligned corners, of an image or a part of it (spec section 0).

#[cfg(feature = "training")]
mod backward;
mod cpu;
pub mod cube;

use std::ops::Range;

use burn::tensor::{DType, Int, Tensor};

pub use self::cpu::Upsample2x;
use super::upcast::in_f32;
use crate::Rect;

/// Computes the part `area` of the image that is twice as large.
///
/// - `x`: `[B, C, h, w]`, the part `held` of an image with `size` rows and columns. It contains the
///   [`source_lines`] of the rows and columns of `area`
/// - `area`: its columns begin and end at even numbers
///
/// Returns `[B, C, rows, columns]`, the rows and columns of `area`.
pub fn upsample2x(x: Tensor<4>, held: &Rect, size: [usize; 2], area: &Rect) -> Tensor<4> {
    #[cfg(feature = "training")]
    if x.is_autodiff()
        && let Some(out) = backward::upsample2x(&x, held, size, area)
    {
        return out;
    }
    cpu::upsample2x(&x, held, size, area)
        .or_else(|| cube::upsample2x(&x, held, size, area))
        .unwrap_or_else(|| upsample2x_reference(x, held, size, area))
}

/// Computes [`upsample2x`] in tensor operations.
pub fn upsample2x_reference(x: Tensor<4>, held: &Rect, size: [usize; 2], area: &Rect) -> Tensor<4> {
    in_f32(x, |x| {
        let x = upsample_axis(x, 2, held.rows.start, size[0], &area.rows);
        upsample_axis(x, 3, held.columns.start, size[1], &area.columns)
    })
}

/// Computes the lines `lines` of an axis that is twice as long. The axis of `x` starts at line
/// `start` of an axis of `length` lines.
fn upsample_axis(
    x: Tensor<4>,
    axis: usize,
    start: usize,
    length: usize,
    lines: &Range<usize>,
) -> Tensor<4> {
    let (device, mut shape) = (x.device(), [1; 4]);
    shape[axis] = lines.len();
    let lines = lines.clone().map(|line| Blend::of(line, length));
    let select = |line: fn(Blend) -> usize| {
        let lines: Vec<i64> = lines.clone().map(|l| (line(l) - start) as i64).collect();
        let lines = Tensor::<1, Int>::from_data(&lines[..], &device);
        x.clone().select(axis, lines)
    };
    let weights: Vec<f32> = lines.clone().map(|line| line.weight).collect();
    let weights = Tensor::<1>::from_data(&weights[..], (&device, DType::F32));
    let near = select(|line| line.near);
    near.clone() + (select(|line| line.far) - near) * weights.reshape(shape)
}

/// Returns the lines of an axis of `length` that `lines` of the axis twice as long depend on.
pub fn source_lines(lines: Range<usize>, length: usize) -> Range<usize> {
    lines.start.saturating_sub(1) / 2..(lines.end / 2 + 1).min(length)
}

/// The two source lines of an upsampled line: near + weight · (far − near).
#[derive(Clone, Copy)]
struct Blend {
    near: usize,
    far: usize,
    /// The weight of the far line.
    weight: f32,
}

impl Blend {
    /// Returns the blend of line `line` of an axis twice as long as `length`. With both ends
    /// aligned, line 2i lies i / (2n − 1) before source line i, and line 2i + 1 lies
    /// (n − 1 − i) / (2n − 1) after it, where n is `length`.
    fn of(line: usize, length: usize) -> Self {
        let near = line / 2;
        let (steps, far) = match line % 2 {
            0 => (near, near.saturating_sub(1)),
            _ => (length - 1 - near, (near + 1).min(length - 1)),
        };
        Self {
            near,
            far,
            weight: steps as f32 / (2 * length - 1) as f32,
        }
    }
}
