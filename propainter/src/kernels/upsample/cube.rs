//! The GPU form of bilinear upsampling.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use crate::{
    Rect,
    kernels::cube::{cube_tensor, elem_type, empty_like, launch_size},
};

/// Returns the far source line of line `line` of an axis twice as long as `length`; the near one is
/// `line / 2`.
#[cube]
fn far_line(line: usize, length: usize) -> usize {
    let near = line / 2;
    let mut far = near;
    if line % 2 == 1 {
        if near + 1 < length {
            far = near + 1;
        }
    } else if near > 0 {
        far = near - 1;
    }
    far
}

/// Returns the weight of the far source line.
#[cube]
fn far_weight(line: usize, length: usize) -> f32 {
    let near = line / 2;
    let mut steps = near;
    if line % 2 == 1 {
        steps = length - 1 - near;
    }
    f32::cast_from(steps) / f32::cast_from(2 * length - 1)
}

#[cube(launch)]
fn bilinear_kernel<F: Float>(
    x: &Tensor<F>,
    out: &mut Tensor<F>,
    held_top: usize,
    held_left: usize,
    held_rows: usize,
    held_columns: usize,
    height: usize,
    width: usize,
    top: usize,
    left: usize,
    rows: usize,
    columns: usize,
    #[define(F)] _elem: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let (plane, pixel) = (
        ABSOLUTE_POS / (rows * columns),
        ABSOLUTE_POS % (rows * columns),
    );
    let (row, column) = (top + pixel / columns, left + pixel % columns);
    let base = plane * held_rows * held_columns;
    let near = base + (row / 2 - held_top) * held_columns;
    let far = base + (far_line(row, height) - held_top) * held_columns;
    let (own, beside) = (column / 2 - held_left, far_line(column, width) - held_left);
    let down = far_weight(row, height);
    let first = f32::cast_from(x[near + own]);
    let first = first + down * (f32::cast_from(x[far + own]) - first);
    let second = f32::cast_from(x[near + beside]);
    let second = second + down * (f32::cast_from(x[far + beside]) - second);
    out[ABSOLUTE_POS] = F::cast_from(first + far_weight(column, width) * (second - first));
}

/// Computes [`upsample2x`](super::upsample2x); returns `None` if `x` is not on a CubeCL device.
pub fn upsample2x(x: &Burn<4>, held: &Rect, size: [usize; 2], area: &Rect) -> Option<Burn<4>> {
    let [batch, channels, _, _] = x.dims();
    let x = cube_tensor(x)?;
    let [rows, columns] = area.size();
    let out = empty_like(&x, [batch, channels, rows, columns]);
    let (count, dim) = launch_size(&out, out.meta.num_elements());
    bilinear_kernel::launch(
        &out.client,
        count,
        dim,
        x.clone().into_tensor_arg(),
        out.clone().into_tensor_arg(),
        held.rows.start,
        held.columns.start,
        held.rows.len(),
        held.columns.len(),
        size[0],
        size[1],
        area.rows.start,
        area.columns.start,
        rows,
        columns,
        elem_type(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
