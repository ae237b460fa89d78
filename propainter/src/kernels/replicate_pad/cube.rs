//! The GPU form of padding with the edge, a unit for each pixel of the output.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use crate::kernels::cube::{cube_tensor, elem_type, empty_like, launch_size};

/// Returns the line of an axis of `length` lines that padded line `line` repeats.
#[cube]
fn source(line: usize, by: usize, length: usize) -> usize {
    let line = line.max(by) - by;
    line.min(length - 1)
}

#[cube(launch)]
fn pad_kernel<F: Float>(
    x: &Tensor<F>,
    out: &mut Tensor<F>,
    by: usize,
    height: usize,
    width: usize,
    #[define(F)] _elem: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let (rows, columns) = (height + 2 * by, width + 2 * by);
    let (plane, pixel) = (
        ABSOLUTE_POS / (rows * columns),
        ABSOLUTE_POS % (rows * columns),
    );
    let row = source(pixel / columns, by, height);
    let column = source(pixel % columns, by, width);
    out[ABSOLUTE_POS] = x[(plane * height + row) * width + column];
}

/// Computes [`replicate_pad`](super::replicate_pad); returns `None` if `x` is not on a CubeCL device.
pub fn replicate_pad(x: &Burn<4>, by: usize) -> Option<Burn<4>> {
    let [batch, channels, height, width] = x.dims();
    let x = cube_tensor(x)?;
    let out = empty_like(&x, [batch, channels, height + 2 * by, width + 2 * by]);
    let (count, dim) = launch_size(&out, out.meta.num_elements());
    pad_kernel::launch(
        &out.client,
        count,
        dim,
        x.clone().into_tensor_arg(),
        out.clone().into_tensor_arg(),
        by,
        height,
        width,
        elem_type(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
