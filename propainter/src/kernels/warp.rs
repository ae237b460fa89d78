//! Warp by a flow and the forward–backward check (spec section 0).

use burn::tensor::{Int, Tensor};
use rayon::prelude::*;

use super::{
    cube,
    host::HostView,
    wide::{wide, widened},
};

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
            values.tensor(
                warp_slices(values.slice(), flow.slice(), shape, sampling),
                shape,
            )
        }
        _ => cube::warp::warp(&x, &flow, sampling).unwrap_or_else(|| warp_plain(x, flow, sampling)),
    }
}

/// 1 where `forward` and `backward` agree, else 0: |f + b'|² < 0.01·(|f|² + |b'|²) + 0.5,
/// b' the backward flow warped by the forward flow.
///
/// Flows `[B, 2, H, W]`; result `[B, 1, H, W]`.
pub fn consistency(forward: Tensor<4>, backward: Tensor<4>) -> Tensor<4> {
    cube::warp::consistency(&forward, &backward)
        .unwrap_or_else(|| consistency_plain(forward, backward))
}

/// The plain twin of [`consistency`], which warps first.
pub fn consistency_plain(forward: Tensor<4>, backward: Tensor<4>) -> Tensor<4> {
    let backward = wide(backward);
    widened(forward, |forward| {
        let warped = warp(backward, forward.clone(), Sampling::Bilinear);
        let square = |t: Tensor<4>| t.clone().mul(t).sum_dim(1);
        let bound = (square(forward.clone()) + square(warped.clone())) * 0.01 + 0.5;
        square(forward + warped).lower(bound).float()
    })
}

/// A pixel coordinate as the official arithmetic leaves it: to [−1, 1] and back in `f32`,
/// which can move a tie.
fn coordinate(position: usize, shift: f32, size: usize) -> f32 {
    let normalised = 2.0 * (position as f32 + shift) / (size.max(2) - 1) as f32 - 1.0;
    (normalised + 1.0) / 2.0 * (size - 1) as f32
}

/// The pixels around one sample's place; those outside are the nearest inside, with no weight.
struct Site {
    first: usize,
    /// Steps to the right and lower neighbour.
    right: usize,
    below: usize,
    weights: [f32; 4],
}

impl Site {
    fn bilinear(y: f32, x: f32, height: usize, width: usize) -> Self {
        let (top, fy) = (y.floor(), y - y.floor());
        let (left, fx) = (x.floor(), x - x.floor());
        let inside = |place: f32, size: usize| place >= 0.0 && place < size as f32;
        let part = |place: f32, size: usize, share: f32| {
            if inside(place, size) { share } else { 0.0 }
        };
        let rows = [part(top, height, 1.0 - fy), part(top + 1.0, height, fy)];
        let columns = [part(left, width, 1.0 - fx), part(left + 1.0, width, fx)];
        let step =
            |place: f32, size: usize| usize::from(inside(place, size) && inside(place + 1.0, size));
        let near = |place: f32, size: usize| (place.max(0.0) as usize).min(size - 1);
        Self {
            first: near(top, height) * width + near(left, width),
            right: step(left, width),
            below: step(top, height) * width,
            weights: [
                rows[0] * columns[0],
                rows[0] * columns[1],
                rows[1] * columns[0],
                rows[1] * columns[1],
            ],
        }
    }

    fn nearest(y: f32, x: f32, height: usize, width: usize) -> Self {
        let (y, x) = (y.round_ties_even(), x.round_ties_even());
        let inside = x >= 0.0 && y >= 0.0 && x <= (width - 1) as f32 && y <= (height - 1) as f32;
        Self {
            first: if inside {
                y as usize * width + x as usize
            } else {
                0
            },
            right: 0,
            below: 0,
            weights: [if inside { 1.0 } else { 0.0 }, 0.0, 0.0, 0.0],
        }
    }
}

/// Where to sample is worked out once and serves all channels.
fn warp_slices(
    x: &[f32],
    flow: &[f32],
    [_, channels, height, width]: [usize; 4],
    sampling: Sampling,
) -> Vec<f32> {
    let plane = height * width;
    let mut out = vec![0.0; x.len()];
    if out.is_empty() {
        return out;
    }
    let pictures = flow
        .chunks_exact(2 * plane)
        .zip(x.chunks_exact(channels * plane))
        .zip(out.chunks_exact_mut(channels * plane));
    for ((flow, x), out) in pictures {
        let sites: Vec<Site> = (0..plane)
            .into_par_iter()
            .with_min_len(width)
            .map(|pixel| {
                let y = coordinate(pixel / width, flow[plane + pixel], height);
                let x = coordinate(pixel % width, flow[pixel], width);
                match sampling {
                    Sampling::Bilinear => Site::bilinear(y, x, height, width),
                    Sampling::Nearest => Site::nearest(y, x, height, width),
                }
            })
            .collect();
        x.par_chunks_exact(plane)
            .zip(out.par_chunks_exact_mut(plane))
            .for_each(|(x, out)| match sampling {
                Sampling::Nearest => {
                    for (value, site) in out.iter_mut().zip(&sites) {
                        *value = x[site.first] * site.weights[0];
                    }
                }
                Sampling::Bilinear => {
                    for (value, site) in out.iter_mut().zip(&sites) {
                        let below = site.first + site.below;
                        *value = x[site.first] * site.weights[0]
                            + x[site.first + site.right] * site.weights[1]
                            + x[below] * site.weights[2]
                            + x[below + site.right] * site.weights[3];
                    }
                }
            });
    }
    out
}

/// The plain twin of [`warp`], in tensor operations.
pub fn warp_plain(x: Tensor<4>, flow: Tensor<4>, sampling: Sampling) -> Tensor<4> {
    let flow = wide(flow);
    widened(x, |x| warp_wide(x, flow, sampling))
}

fn warp_wide(x: Tensor<4>, flow: Tensor<4>, sampling: Sampling) -> Tensor<4> {
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
