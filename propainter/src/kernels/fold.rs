//! Pictures as overlapping patches of 7×7, 3 apart, padded by 3, and back (spec section 6).

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use super::{cube, host::HostView, wide::widened};

/// Side of a patch.
pub const SIDE: usize = 7;
/// Pixels of a patch.
pub const AREA: usize = SIDE * SIDE;
/// Distance of patches.
pub const STRIDE: usize = 3;
/// Zeros around the picture.
pub(super) const PADDING: usize = 3;

/// Channels that one thread folds together: what it reads of a patch is one run of memory.
const TOGETHER: usize = 8;

/// Rows and columns of patches over a picture of as many rows and columns, both at least 1.
pub fn patches(size: [usize; 2]) -> [usize; 2] {
    size.map(|side| (side - 1) / STRIDE + 1)
}

/// Cuts patches: `[B, C, H, W]` → `[B, patches, C·49]`, zeros outside the picture.
pub fn unfold(x: Tensor<4>) -> Tensor<3> {
    match HostView::of(&x) {
        Some(values) => {
            let [batch, channels, height, width] = x.dims();
            let [rows, columns] = patches([height, width]);
            values.tensor(
                unfold_slice(values.slice(), x.dims()),
                [batch, rows * columns, channels * AREA],
            )
        }
        None => cube::fold::unfold(&x).unwrap_or_else(|| unfold_plain(x)),
    }
}

/// Sums patches where they overlap: `[B, patches, C·49]` → `[B, C, H, W]`.
pub fn fold(x: Tensor<3>, [height, width]: [usize; 2]) -> Tensor<4> {
    match HostView::of(&x) {
        Some(values) => {
            let [batch, _, elements] = x.dims();
            let shape = [batch, elements / AREA, height, width];
            values.tensor(fold_slice(values.slice(), shape), shape)
        }
        None => {
            cube::fold::fold(&x, [height, width]).unwrap_or_else(|| fold_plain(x, [height, width]))
        }
    }
}

/// One over the number of patches that cover each pixel, `[1, 1, H, W]`.
pub fn mean_weights([height, width]: [usize; 2], device: &Device) -> Tensor<4> {
    let [rows, columns] = patches([height, width]);
    let weights = (0..height * width).map(|p| {
        let (y, x) = (p / width, p % width);
        1.0 / (covering(y, rows).len() * covering(x, columns).len()) as f32
    });
    let weights: Vec<f32> = weights.collect();
    Tensor::from_data(TensorData::new(weights, [1, 1, height, width]), device)
}

/// The patches of an axis of `count` patches that cover a pixel.
pub fn covering(pixel: usize, count: usize) -> Range<usize> {
    pixel.saturating_sub(PADDING).div_ceil(STRIDE)..(pixel / STRIDE + 2).min(count)
}

/// The pixels of an axis of `size` pixels that its patch number `patch` covers.
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
            let picture = &x[index * channels * plane..][..channels * plane];
            for (column, out) in line_out.chunks_exact_mut(patch).enumerate() {
                copy_patch(picture, out, [height, width], [row, column]);
            }
        });
    out
}

/// One patch of all channels.
fn copy_patch(
    picture: &[f32],
    out: &mut [f32],
    [height, width]: [usize; 2],
    [row, column]: [usize; 2],
) {
    let (ys, xs) = (taps(row, height), taps(column, width));
    let first = [
        ys.start + PADDING - row * STRIDE,
        xs.start + PADDING - column * STRIDE,
    ];
    let planes = picture.chunks_exact(height * width);
    for (plane, out) in planes.zip(out.chunks_exact_mut(AREA)) {
        for (y, ky) in ys.clone().zip(first[0]..) {
            let out = &mut out[ky * SIDE + first[1]..];
            let source = &plane[y * width + xs.start..];
            // A patch inside has a length known here, so that this is no call.
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
    let pictures = out.par_chunks_mut(channels * plane);
    pictures.enumerate().for_each(|(frame, picture)| {
        let groups = picture.par_chunks_mut(TOGETHER * plane);
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

/// Adds one patch of one channel.
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
        // As above: a length known here.
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

/// The plain twin of [`unfold`]. A patch is three blocks of `STRIDE` pixels less two, so each axis is
/// cut into blocks and every patch takes three that follow each other.
pub fn unfold_plain(x: Tensor<4>) -> Tensor<3> {
    let [batch, channels, height, width] = x.dims();
    let [rows, columns] = patches([height, width]);
    let (full_rows, full_columns) = (STRIDE * (rows + 2), STRIDE * (columns + 2));
    let end = |full: usize, size: usize| (PADDING, full - PADDING - size);
    let x = x.pad([end(full_rows, height), end(full_columns, width)], 0.0);
    let take = |x: Tensor<3>, count: usize| {
        let blocks = (0..3).map(|block| x.clone().narrow(1, block, count));
        Tensor::cat(blocks.collect(), 2)
    };
    let lines = batch * channels;
    let x = take(x.reshape([lines, rows + 2, STRIDE * full_columns]), rows).narrow(
        2,
        0,
        SIDE * full_columns,
    );
    let lines = lines * rows * SIDE;
    let x = take(x.reshape([lines, columns + 2, STRIDE]), columns).narrow(2, 0, SIDE);
    x.reshape([batch, channels, rows, SIDE, columns, SIDE])
        .permute([0, 2, 4, 1, 3, 5])
        .reshape([batch, rows * columns, channels * AREA])
}

/// The plain twin of [`fold`]: [`unfold_plain`] from its end to its beginning.
pub fn fold_plain(x: Tensor<3>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [batch, _, elements] = x.dims();
    let channels = elements / AREA;
    let [rows, columns] = patches([height, width]);
    let (full_rows, full_columns) = (STRIDE * (rows + 2), STRIDE * (columns + 2));
    let put = |x: Tensor<3>, pixel: usize| {
        let [_, _, length] = x.dims();
        let block = STRIDE * pixel;
        let x = x.pad([(0, 3 * block - length)], 0.0);
        let shifted = |i: usize| {
            x.clone()
                .narrow(2, i * block, block)
                .pad([(i, 2 - i), (0, 0)], 0.0)
        };
        shifted(0) + shifted(1) + shifted(2)
    };
    let x = x
        .reshape([batch, rows, columns, channels, SIDE, SIDE])
        .permute([0, 3, 1, 4, 2, 5]);
    let lines = batch * channels;
    let x: Tensor<3> = widened(x, |x| {
        let x = put(x.reshape([lines * rows * SIDE, columns, SIDE]), 1);
        put(x.reshape([lines, rows, SIDE * full_columns]), full_columns)
    });
    x.reshape([batch, channels, full_rows, full_columns])
        .slice([
            0..batch,
            0..channels,
            PADDING..PADDING + height,
            PADDING..PADDING + width,
        ])
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    const SIZES: [[usize; 2]; 6] = [[1, 1], [2, 5], [7, 3], [8, 10], [9, 6], [13, 22]];

    fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Default, &Device::flex())
    }

    #[test]
    fn both_forms_of_unfold_agree_to_the_bit() {
        for [height, width] in SIZES {
            let x = random([2, 3, height, width]);
            let fast = unfold(x.clone());
            let plain = unfold_plain(x);
            assert_eq!(fast.dims(), plain.dims());
            assert_eq!(floats(fast), floats(plain), "{height}×{width}");
        }
    }

    #[test]
    fn both_forms_of_fold_agree() {
        for size in SIZES {
            let [rows, columns] = patches(size);
            let x = random([2, rows * columns, 3 * AREA]);
            let (fast, plain) = (fold(x.clone(), size), fold_plain(x, size));
            assert_eq!(fast.dims(), plain.dims());
            for (a, b) in floats(fast).into_iter().zip(floats(plain)) {
                assert!((a - b).abs() <= 1e-5, "{size:?}: {a} against {b}");
            }
        }
    }

    #[test]
    fn folding_what_was_unfolded_and_weighting_gives_the_picture_back() {
        for size in SIZES {
            let x = random([1, 2, size[0], size[1]]);
            let back = fold(unfold(x.clone()), size) * mean_weights(size, &Device::flex());
            for (a, b) in floats(back).into_iter().zip(floats(x)) {
                assert!((a - b).abs() <= 1e-6, "{size:?}: {a} against {b}");
            }
        }
    }
}
