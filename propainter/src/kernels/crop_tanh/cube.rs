//! The GPU form of cropping and tanh.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use crate::{
    Rect,
    kernels::{
        cube::{cube_tensor, elem_type, empty_like, launch_size},
        cube_math,
    },
};

#[cube(launch)]
fn crop_tanh_kernel<F: Float>(
    x: &Tensor<F>,
    out: &mut Tensor<F>,
    held_rows: usize,
    held_columns: usize,
    top: usize,
    left: usize,
    rows: usize,
    columns: usize,
    #[define(F)] _elem: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let (line, column) = (ABSOLUTE_POS / columns, ABSOLUTE_POS % columns);
    let (plane, row) = (line / rows, line % rows);
    let from = (plane * held_rows + top + row) * held_columns + left + column;
    out[ABSOLUTE_POS] = F::cast_from(cube_math::tanh(f32::cast_from(x[from])));
}

/// Computes [`crop_tanh`](super::crop_tanh); returns `None` if `x` is not on a CubeCL device.
pub fn crop_tanh(x: &Burn<4>, held: &Rect, area: &Rect) -> Option<Burn<4>> {
    let [batch, channels, _, _] = x.dims();
    let x = cube_tensor(x)?;
    let [rows, columns] = area.size();
    let out = empty_like(&x, [batch, channels, rows, columns]);
    let (count, dim) = launch_size(&out, out.meta.num_elements());
    crop_tanh_kernel::launch(
        &out.client,
        count,
        dim,
        x.clone().into_tensor_arg(),
        out.clone().into_tensor_arg(),
        held.rows.len(),
        held.columns.len(),
        area.rows.start - held.rows.start,
        area.columns.start - held.columns.start,
        rows,
        columns,
        elem_type(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
