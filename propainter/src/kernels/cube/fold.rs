//! Pictures as overlapping patches and back, element by element (spec section 6).

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::{numbers, room, tensor, units, value};
use crate::kernels::fold::{AREA, PADDING, SIDE, STRIDE, patches};

#[cube(launch)]
fn unfold_kernel<F: Float>(
    x: &Tensor<F>,
    out: &mut Tensor<F>,
    channels: usize,
    height: usize,
    width: usize,
    rows: usize,
    columns: usize,
    #[define(F)] _numbers: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let (line, tap) = (ABSOLUTE_POS / AREA, ABSOLUTE_POS % AREA);
    let (patch, channel) = (line / channels, line % channels);
    let (picture, patch) = (patch / (rows * columns), patch % (rows * columns));
    let row = (patch / columns * STRIDE + tap / SIDE) as i32 - PADDING as i32;
    let column = (patch % columns * STRIDE + tap % SIDE) as i32 - PADDING as i32;
    let base = (picture * channels + channel) * height * width;
    out[ABSOLUTE_POS] = F::cast_from(value::<F>(x, base, row, column, height, width));
}

/// As [`kernels::unfold`](crate::kernels::fold::unfold); `None` where the tensor is of another
/// device.
pub fn unfold(x: &Burn<4>) -> Option<Burn<3>> {
    let [batch, channels, height, width] = x.dims();
    let [rows, columns] = patches([height, width]);
    let x = tensor(x)?;
    let out = room(&x, [batch, rows * columns, channels * AREA]);
    let (count, dim) = units(&out, out.meta.num_elements());
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
        numbers(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}

/// The first patch along an axis that covers a pixel.
#[cube]
fn first(pixel: usize) -> usize {
    let mut patch = 0usize;
    if pixel > PADDING {
        patch = (pixel - PADDING).div_ceil(STRIDE);
    }
    patch
}

/// The patch behind the last one, of `count`, that covers a pixel.
#[cube]
fn end(pixel: usize, count: usize) -> usize {
    let mut patch = pixel / STRIDE + 2;
    if patch > count {
        patch = count;
    }
    patch
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
    #[define(F)] _numbers: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let (line, across) = (ABSOLUTE_POS / width, ABSOLUTE_POS % width);
    let (plane, down) = (line / height, line % height);
    let (picture, channel) = (plane / channels, plane % channels);
    let mut sum = 0.0f32;
    for row in first(down)..end(down, rows) {
        for column in first(across)..end(across, columns) {
            let patch = (picture * rows + row) * columns + column;
            let tap = (down + PADDING - row * STRIDE) * SIDE + across + PADDING - column * STRIDE;
            sum += f32::cast_from(x[(patch * channels + channel) * AREA + tap]);
        }
    }
    out[ABSOLUTE_POS] = F::cast_from(sum);
}

/// As [`kernels::fold`](crate::kernels::fold::fold); `None` where the tensor is of another device.
pub fn fold(x: &Burn<3>, [height, width]: [usize; 2]) -> Option<Burn<4>> {
    let [batch, _, elements] = x.dims();
    let [rows, columns] = patches([height, width]);
    let channels = elements / AREA;
    let x = tensor(x)?;
    let out = room(&x, [batch, channels, height, width]);
    let (count, dim) = units(&out, out.meta.num_elements());
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
        numbers(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
