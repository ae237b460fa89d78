//! The CPU forms of fold and unfold.

use std::ops::Range;

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{AREA, PADDING, SIDE, STRIDE, patches};
use crate::kernels::cpu::host_view::HostView;

/// Channels that one thread folds together. Those of a patch are contiguous in memory.
const TOGETHER: usize = 8;

/// Computes [`unfold`](super::unfold); returns `None` if `x` is not on the CPU device.
pub fn unfold(x: &Tensor<4>) -> Option<Tensor<3>> {
    let values = HostView::of(x)?;
    let [batch, channels, height, width] = x.dims();
    let [rows, columns] = patches([height, width]);
    let shape = [batch, rows * columns, channels * AREA];
    Some(values.tensor(unfold_slice(values.slice(), x.dims()), shape))
}

/// Computes [`fold`](super::fold); returns `None` if `x` is not on the CPU device.
pub fn fold(x: &Tensor<3>, [height, width]: [usize; 2]) -> Option<Tensor<4>> {
    let values = HostView::of(x)?;
    let [batch, _, elements] = x.dims();
    let shape = [batch, elements / AREA, height, width];
    Some(values.tensor(fold_slice(values.slice(), shape), shape))
}

/// Returns the pixels that patch number `patch` covers, along an axis of `size` pixels.
fn taps(patch: usize, size: usize) -> Range<usize> {
    let start = patch * STRIDE;
    start.saturating_sub(PADDING)..(start + SIDE - PADDING).min(size)
}

fn unfold_slice(x: &[f32], [batch, channels, height, width]: [usize; 4]) -> Vec<f32> {
    let [rows, columns] = patches([height, width]);
    let plane = height * width;
    let patch = channels * AREA;
    let mut out = vec![0.0; batch * rows * columns * patch];
    out.par_chunks_mut(columns * patch)
        .enumerate()
        .for_each(|(line, line_out)| {
            let (index, row) = (line / rows, line % rows);
            let image = &x[index * channels * plane..][..channels * plane];
            for (column, out) in line_out.chunks_exact_mut(patch).enumerate() {
                copy_patch(image, out, [height, width], [row, column]);
            }
        });
    out
}

/// Copies one patch of all channels.
fn copy_patch(
    image: &[f32],
    out: &mut [f32],
    [height, width]: [usize; 2],
    [row, column]: [usize; 2],
) {
    let (ys, xs) = (taps(row, height), taps(column, width));
    let first = [
        ys.start + PADDING - row * STRIDE,
        xs.start + PADDING - column * STRIDE,
    ];
    let planes = image.chunks_exact(height * width);
    for (plane, out) in planes.zip(out.chunks_exact_mut(AREA)) {
        for (y, ky) in ys.clone().zip(first[0]..) {
            let out = &mut out[ky * SIDE + first[1]..];
            let source = &plane[y * width + xs.start..];
            // The length of a patch that lies inside is a constant, so the compiler inlines the
            // copy.
            if xs.len() == SIDE {
                out[..SIDE].copy_from_slice(&source[..SIDE]);
            } else {
                out[..xs.len()].copy_from_slice(&source[..xs.len()]);
            }
        }
    }
}

fn fold_slice(x: &[f32], [batch, channels, height, width]: [usize; 4]) -> Vec<f32> {
    let [rows, columns] = patches([height, width]);
    let plane = height * width;
    let mut out = vec![0.0; batch * channels * plane];
    let images = out.par_chunks_mut(channels * plane);
    images.enumerate().for_each(|(frame, image)| {
        let groups = image.par_chunks_mut(TOGETHER * plane);
        groups.enumerate().for_each(|(group, planes)| {
            for patch in 0..rows * columns {
                let first = (frame * rows * columns + patch) * channels + group * TOGETHER;
                let values = x[first * AREA..].chunks_exact(AREA);
                for (plane, values) in planes.chunks_exact_mut(plane).zip(values) {
                    let place = [patch / columns, patch % columns];
                    add_patch(values, plane, [height, width], place);
                }
            }
        });
    });
    out
}

/// Adds one patch of one channel to its plane.
fn add_patch(
    values: &[f32],
    plane: &mut [f32],
    [height, width]: [usize; 2],
    [row, column]: [usize; 2],
) {
    let (ys, xs) = (taps(row, height), taps(column, width));
    let ky = ys.start + PADDING - row * STRIDE;
    let kx = xs.start + PADDING - column * STRIDE;
    for (values, y) in values[ky * SIDE..].chunks_exact(SIDE).zip(ys) {
        let out = &mut plane[y * width..][xs.clone()];
        // As above: the length is a constant.
        if let Ok(out) = <&mut [f32; SIDE]>::try_from(&mut *out) {
            for (sum, value) in out.iter_mut().zip(values) {
                *sum += value;
            }
        } else {
            for (sum, value) in out.iter_mut().zip(&values[kx..]) {
                *sum += value;
            }
        }
    }
}
