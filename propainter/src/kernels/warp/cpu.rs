//! The CPU form of the warp.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::Sampling;
use crate::kernels::cpu::host_view::HostView;

/// Computes [`warp`](super::warp); returns `None` unless both tensors are on the CPU device.
pub fn warp(x: &Tensor<4>, flow: &Tensor<4>, sampling: Sampling) -> Option<Tensor<4>> {
    let (values, flow) = (HostView::of(x)?, HostView::of(flow)?);
    let shape = x.dims();
    let out = warp_slices(values.slice(), flow.slice(), shape, sampling);
    Some(values.tensor(out, shape))
}

/// Returns the coordinate of a sample as the official implementation computes it: normalised to
/// [−1, 1] and back in `f32`. The detour can move a tie.
fn coordinate(position: usize, shift: f32, size: usize) -> f32 {
    let normalised = 2.0 * (position as f32 + shift) / (size.max(2) - 1) as f32 - 1.0;
    (normalised + 1.0) / 2.0 * (size - 1) as f32
}

/// The pixels around a sample and their weights. In place of a pixel outside the image stands the
/// nearest inside, with weight 0.
struct Site {
    /// The index of the upper left pixel.
    first: usize,
    /// The distance in memory to the right and to the lower neighbour.
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

/// Computes the sites of an image once, for all its channels.
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
    let images = flow
        .chunks_exact(2 * plane)
        .zip(x.chunks_exact(channels * plane))
        .zip(out.chunks_exact_mut(channels * plane));
    for ((flow, x), out) in images {
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
