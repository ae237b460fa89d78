//! The GPU form of downscaling a flow.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use crate::kernels::cube::{cube_tensor, elem_type, empty_like, launch_size};

#[cube(launch)]
fn quarter_kernel<F: Float>(
    flow: &Tensor<F>,
    out: &mut Tensor<F>,
    height: usize,
    width: usize,
    rows: usize,
    columns: usize,
    #[define(F)] _elem: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let (line, column) = (ABSOLUTE_POS / columns, ABSOLUTE_POS % columns);
    let (plane, row) = (line / rows, line % rows);
    let at = (plane * height + 4 * row + 1) * width + 4 * column + 1;
    let above = f32::cast_from(flow[at]) + f32::cast_from(flow[at + 1]);
    let below = at + width;
    let sum = above + f32::cast_from(flow[below]) + f32::cast_from(flow[below + 1]);
    out[ABSOLUTE_POS] = F::cast_from(sum / 16.0);
}

/// Computes [`quarter_flow`](super::quarter_flow); returns `None` if `flow` is not on a CubeCL device.
pub fn quarter_flow(flow: &Burn<4>) -> Option<Burn<4>> {
    let [batch, channels, height, width] = flow.dims();
    let (rows, columns) = (height / 4, width / 4);
    let flow = cube_tensor(flow)?;
    let out = empty_like(&flow, [batch, channels, rows, columns]);
    let (count, dim) = launch_size(&out, out.meta.num_elements());
    quarter_kernel::launch(
        &out.client,
        count,
        dim,
        flow.clone().into_tensor_arg(),
        out.clone().into_tensor_arg(),
        height,
        width,
        rows,
        columns,
        elem_type(&flow),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
