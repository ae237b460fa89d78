//! Unfolding an image into overlapping patches of 7×7 with stride 3 and padding 3, and folding them
//! back (spec section 6).

#[cfg(feature = "training")]
mod backward;
mod cpu;
pub mod cube;

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};

use super::{gelu::gelu, upcast::in_f32};

/// Side of a patch.
pub const SIDE: usize = 7;

/// Pixels of a patch.
pub const AREA: usize = SIDE * SIDE;

/// Pixels from one patch to the next.
pub const STRIDE: usize = 3;

/// Zeros on each side of the image.
pub const PADDING: usize = 3;

/// Returns the number of rows and columns of patches over an image of `size`, both at least 1.
pub fn patches(size: [usize; 2]) -> [usize; 2] {
    size.map(|side| (side - 1) / STRIDE + 1)
}

/// Cuts an image into patches, with zeros outside the image: `[B, C, H, W]` → `[B, patches, C·49]`.
pub fn unfold(x: Tensor<4>) -> Tensor<3> {
    #[cfg(feature = "training")]
    if x.is_autodiff() {
        return backward::unfold(&x);
    }
    cpu::unfold(&x)
        .or_else(|| cube::unfold(&x))
        .unwrap_or_else(|| unfold_reference(x))
}

/// Sums overlapping patches to an image: `[B, patches, C·49]` → `[B, C, H, W]`.
pub fn fold(x: Tensor<3>, size: [usize; 2]) -> Tensor<4> {
    #[cfg(feature = "training")]
    if x.is_autodiff() {
        return backward::fold(&x, size);
    }
    cpu::fold(&x, size)
        .or_else(|| cube::fold(&x, size))
        .unwrap_or_else(|| fold_reference(x, size))
}

/// Averages overlapping patches to an image and applies GELU: `[B, patches, C·49]` → `[B, C, H, W]`.
/// `weights` are the [`mean_weights`] of `size`.
pub fn fold_mean_gelu(
    x: Tensor<3>,
    size: [usize; 2],
    weights: impl FnOnce() -> Tensor<4>,
) -> Tensor<4> {
    cube::fold_mean_gelu(&x, size).unwrap_or_else(|| {
        // In 32 bits up to the result.
        in_f32(x, |x| gelu(fold(x, size) * weights()))
    })
}

/// Returns one over the number of patches that cover each pixel, `[1, 1, H, W]`.
pub fn mean_weights([height, width]: [usize; 2], device: &Device) -> Tensor<4> {
    let [rows, columns] = patches([height, width]);
    let weights = (0..height * width).map(|p| {
        let (y, x) = (p / width, p % width);
        1.0 / (covering(y, rows).len() * covering(x, columns).len()) as f32
    });
    let weights: Vec<f32> = weights.collect();
    Tensor::from_data(TensorData::new(weights, [1, 1, height, width]), device)
}

/// Returns the patches that cover a pixel, along an axis of `count` patches.
pub fn covering(pixel: usize, count: usize) -> Range<usize> {
    pixel.saturating_sub(PADDING).div_ceil(STRIDE)..(pixel / STRIDE + 2).min(count)
}

/// Computes [`unfold`] in tensor operations. A patch is three blocks of `STRIDE` pixels less two
/// pixels, so each axis is cut into blocks and every patch takes three consecutive ones.
pub fn unfold_reference(x: Tensor<4>) -> Tensor<3> {
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

/// Computes [`fold`] in tensor operations: the steps of [`unfold_reference`], inverted and in
/// reverse.
pub fn fold_reference(x: Tensor<3>, [height, width]: [usize; 2]) -> Tensor<4> {
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
    let x: Tensor<3> = in_f32(x, |x| {
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
            let reference = unfold_reference(x);
            assert_eq!(fast.dims(), reference.dims());
            assert_eq!(floats(fast), floats(reference), "{height}×{width}");
        }
    }

    #[test]
    fn both_forms_of_fold_agree() {
        for size in SIZES {
            let [rows, columns] = patches(size);
            let x = random([2, rows * columns, 3 * AREA]);
            let (fast, reference) = (fold(x.clone(), size), fold_reference(x, size));
            assert_eq!(fast.dims(), reference.dims());
            for (a, b) in floats(fast).into_iter().zip(floats(reference)) {
                assert!((a - b).abs() <= 1e-5, "{size:?}: {a} against {b}");
            }
        }
    }

    #[test]
    fn folding_what_was_unfolded_and_weighting_gives_the_image_back() {
        for size in SIZES {
            let x = random([1, 2, size[0], size[1]]);
            let back = fold(unfold(x.clone()), size) * mean_weights(size, &Device::flex());
            for (a, b) in floats(back).into_iter().zip(floats(x)) {
                assert!((a - b).abs() <= 1e-6, "{size:?}: {a} against {b}");
            }
        }
    }
}
