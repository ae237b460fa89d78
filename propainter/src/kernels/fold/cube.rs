//! The GPU forms of fold and unfold, a unit for each element of the result.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::{AREA, PADDING, SIDE, STRIDE, patches};
use crate::kernels::{
    cube::{cube_tensor, elem_type, empty_like, launch_size, value_or_zero},
    cube_math::gelu,
};

#[cube(launch)]
fn unfold_kernel<F: Float>(
    x: &Tensor<F>,
    out: &mut Tensor<F>,
    channels: usize,
    height: usize,
    width: usize,
    rows: usize,
    columns: usize,
    #[define(F)] _elem: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let (line, tap) = (ABSOLUTE_POS / AREA, ABSOLUTE_POS % AREA);
    let (patch, channel) = (line / channels, line % channels);
    let (image, patch) = (patch / (rows * columns), patch % (rows * columns));
    let row = (patch / columns * STRIDE + tap / SIDE) as i32 - PADDING as i32;
    let column = (patch % columns * STRIDE + tap % SIDE) as i32 - PADDING as i32;
    let base = (image * channels + channel) * height * width;
    out[ABSOLUTE_POS] = F::cast_from(value_or_zero::<F>(x, base, row, column, height, width));
}

/// Computes [`unfold`](super::unfold); returns `None` if `x` is not on a CubeCL device.
pub fn unfold(x: &Burn<4>) -> Option<Burn<3>> {
    let [batch, channels, height, width] = x.dims();
    let [rows, columns] = patches([height, width]);
    let x = cube_tensor(x)?;
    let out = empty_like(&x, [batch, rows * columns, channels * AREA]);
    let (count, dim) = launch_size(&out, out.meta.num_elements());
    unfold_kernel::launch(
        &out.client,
        count,
        dim,
        x.clone().into_tensor_arg(),
        out.clone().into_tensor_arg(),
        channels,
        height,
        width,
        rows,
        columns,
        elem_type(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}

/// Returns the first patch along an axis that covers a pixel.
#[cube]
fn first(pixel: usize) -> usize {
    let mut patch = 0usize;
    if pixel > PADDING {
        patch = (pixel - PADDING).div_ceil(STRIDE);
    }
    patch
}

/// Returns the end of the range of patches, of `count` along an axis, that cover a pixel.
#[cube]
fn end(pixel: usize, count: usize) -> usize {
    let mut patch = pixel / STRIDE + 2;
    if patch > count {
        patch = count;
    }
    patch
}

/// Sums the patches that cover a pixel of a plane, `row` rows down and `column` columns across.
/// Returns the sum and the number of patches.
#[cube]
fn covering_sum<F: Float>(
    x: &Tensor<F>,
    plane: usize,
    down: usize,
    across: usize,
    channels: usize,
    rows: usize,
    columns: usize,
) -> (f32, usize) {
    let (image, channel) = (plane / channels, plane % channels);
    let mut sum = 0.0f32;
    let (top, bottom) = (first(down), end(down, rows));
    let (left, right) = (first(across), end(across, columns));
    for row in top..bottom {
        for column in left..right {
            let patch = (image * rows + row) * columns + column;
            let tap = (down + PADDING - row * STRIDE) * SIDE + across + PADDING - column * STRIDE;
            sum += f32::cast_from(x[(patch * channels + channel) * AREA + tap]);
        }
    }
    (sum, (bottom - top) * (right - left))
}

#[cube(launch)]
fn fold_kernel<F: Float>(
    x: &Tensor<F>,
    out: &mut Tensor<F>,
    channels: usize,
    height: usize,
    width: usize,
    rows: usize,
    columns: usize,
    #[comptime] mean_gelu: bool,
    #[define(F)] _elem: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let (line, across) = (ABSOLUTE_POS / width, ABSOLUTE_POS % width);
    let (plane, down) = (line / height, line % height);
    let (sum, count) = covering_sum::<F>(x, plane, down, across, channels, rows, columns);
    if comptime!(mean_gelu) {
        out[ABSOLUTE_POS] = F::cast_from(gelu(sum / f32::cast_from(count)));
    } else {
        out[ABSOLUTE_POS] = F::cast_from(sum);
    }
}

/// Computes [`fold`](super::fold); returns `None` if `x` is not on a CubeCL device.
pub fn fold(x: &Burn<3>, size: [usize; 2]) -> Option<Burn<4>> {
    launch_fold(x, size, false)
}

/// Computes [`fold_mean_gelu`](super::fold_mean_gelu); returns `None` if `x` is not on a CubeCL
/// device.
pub fn fold_mean_gelu(x: &Burn<3>, size: [usize; 2]) -> Option<Burn<4>> {
    launch_fold(x, size, true)
}

fn launch_fold(x: &Burn<3>, [height, width]: [usize; 2], mean_gelu: bool) -> Option<Burn<4>> {
    let [batch, _, elements] = x.dims();
    let [rows, columns] = patches([height, width]);
    let channels = elements / AREA;
    let x = cube_tensor(x)?;
    let out = empty_like(&x, [batch, channels, height, width]);
    let (count, dim) = launch_size(&out, out.meta.num_elements());
    fold_kernel::launch(
        &out.client,
        count,
        dim,
        x.clone().into_tensor_arg(),
        out.clone().into_tensor_arg(),
        channels,
        height,
        width,
        rows,
        columns,
        mean_gelu,
        elem_type(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
