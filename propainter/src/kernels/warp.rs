//! Warp by a flow and the forward–backward check (spec section 0).

use burn::tensor::{Int, Tensor};
use rayon::prelude::*;

use super::host::{self, HostView};

/// How a warp samples between pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    Bilinear,
    /// Half rounds to even.
    Nearest,
}

/// Samples `x` at p + flow(p), zeros outside.
///
/// - `x`: `[B, C, H, W]`
/// - `flow`: `[B, 2, H, W]`, in pixels, channel 0 to the right
pub fn warp(x: Tensor<4>, flow: Tensor<4>, sampling: Sampling) -> Tensor<4> {
    match (HostView::of(&x), HostView::of(&flow)) {
        (Some(values), Some(flow)) => {
            let shape = x.dims();
            host::tensor(
                warp_slices(values.slice(), flow.slice(), shape, sampling),
                shape,
            )
        }
        _ => warp_plain(x, flow, sampling),
    }
}

/// 1 where `forward` and `backward` agree, else 0: |f + b'|² < 0.01·(|f|² + |b'|²) + 0.5,
/// b' the backward flow warped by the forward flow.
///
/// Flows `[B, 2, H, W]`; result `[B, 1, H, W]`.
pub fn consistency(forward: Tensor<4>, backward: Tensor<4>) -> Tensor<4> {
    let warped = warp(backward, forward.clone(), Sampling::Bilinear);
    let square = |t: Tensor<4>| t.clone().mul(t).sum_dim(1);
    let bound = (square(forward.clone()) + square(warped.clone())) * 0.01 + 0.5;
    square(forward + warped).lower(bound).float()
}

/// A pixel coordinate as the official arithmetic leaves it: to [−1, 1] and back in `f32`,
/// which can move a tie.
fn coordinate(position: usize, shift: f32, size: usize) -> f32 {
    let normalised = 2.0 * (position as f32 + shift) / (size.max(2) - 1) as f32 - 1.0;
    (normalised + 1.0) / 2.0 * (size - 1) as f32
}

fn warp_slices(
    x: &[f32],
    flow: &[f32],
    [_, channels, height, width]: [usize; 4],
    sampling: Sampling,
) -> Vec<f32> {
    let plane = height * width;
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(width)
        .enumerate()
        .for_each(|(line, row)| {
            let (index, y) = (line / height, line % height);
            let flow = &flow[index / channels * 2 * plane + y * width..];
            let source = &x[index * plane..][..plane];
            for (column, value) in row.iter_mut().enumerate() {
                let sx = coordinate(column, flow[column], width);
                let sy = coordinate(y, flow[plane + column], height);
                *value = match sampling {
                    Sampling::Bilinear => bilinear(source, height, width, sy, sx),
                    Sampling::Nearest => {
                        let (sy, sx) = (sy.round_ties_even(), sx.round_ties_even());
                        let inside = sx >= 0.0
                            && sy >= 0.0
                            && sx <= (width - 1) as f32
                            && sy <= (height - 1) as f32;
                        if inside {
                            source[sy as usize * width + sx as usize]
                        } else {
                            0.0
                        }
                    }
                };
            }
        });
    out
}

/// One bilinear sample of a plane; each corner outside counts zero on its own.
pub(super) fn bilinear(plane: &[f32], height: usize, width: usize, y: f32, x: f32) -> f32 {
    let (top, left) = (y.floor(), x.floor());
    if !(top >= -1.0 && left >= -1.0 && top < height as f32 && left < width as f32) {
        return 0.0;
    }
    let (dy, dx) = (y - top, x - left);
    let (top, left) = (top as isize, left as isize);
    let at = |row: isize, column: isize| {
        let inside = row >= 0 && column >= 0 && row < height as isize && column < width as isize;
        if inside {
            plane[row as usize * width + column as usize]
        } else {
            0.0
        }
    };
    at(top, left) * (1.0 - dy) * (1.0 - dx)
        + at(top, left + 1) * (1.0 - dy) * dx
        + at(top + 1, left) * dy * (1.0 - dx)
        + at(top + 1, left + 1) * dy * dx
}

/// The plain twin of [`warp`], in tensor operations.
pub fn warp_plain(x: Tensor<4>, flow: Tensor<4>, sampling: Sampling) -> Tensor<4> {
    let [batch, _, height, width] = x.dims();
    let device = x.device();
    let axis = |size: usize, shape: [usize; 4]| {
        Tensor::<1, Int>::arange(0..size as i64, &device)
            .float()
            .reshape(shape)
    };
    let through = |position: Tensor<4>, size: usize| {
        let normalised = position * 2.0 / (size.max(2) - 1) as f32 - 1.0;
        (normalised + 1.0) / 2.0 * (size - 1) as f32
    };
    let part = |channel: usize| flow.clone().slice([0..batch, channel..channel + 1]);
    let sx = through(part(0) + axis(width, [1, 1, 1, width]), width);
    let sy = through(part(1) + axis(height, [1, 1, height, 1]), height);
    match sampling {
        Sampling::Nearest => corner(&x, sy.round(), sx.round()),
        Sampling::Bilinear => {
            let (top, left) = (sy.clone().floor(), sx.clone().floor());
            let (dy, dx) = (sy - top.clone(), sx - left.clone());
            let (uy, ux) = (-dy.clone() + 1.0, -dx.clone() + 1.0);
            let (bottom, right) = (top.clone() + 1.0, left.clone() + 1.0);
            corner(&x, top.clone(), left.clone()) * (uy.clone() * ux.clone())
                + corner(&x, top, right.clone()) * (uy * dx.clone())
                + corner(&x, bottom.clone(), left) * (dy.clone() * ux)
                + corner(&x, bottom, right) * (dy * dx)
        }
    }
}

/// `x` at whole coordinates `[B, 1, H, W]`, zero outside.
fn corner(x: &Tensor<4>, row: Tensor<4>, column: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let (last_row, last_column) = ((height - 1) as f32, (width - 1) as f32);
    let clamped_row = row.clone().clamp(0.0, last_row);
    let clamped_column = column.clone().clamp(0.0, last_column);
    let inside =
        row.equal(clamped_row.clone()).float() * column.equal(clamped_column.clone()).float();
    let index = (clamped_row * width as f32 + clamped_column).int();
    let samples = x
        .clone()
        .reshape([batch, channels, height * width])
        .gather(
            2,
            index
                .reshape([batch, 1, height * width])
                .expand([batch, channels, height * width]),
        )
        .reshape([batch, channels, height, width]);
    samples * inside
}
