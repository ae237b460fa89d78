//! Convex upsampling: softmax, weights and the order of the fine pixels in one go (spec
//! section 2); and bilinear upsampling ×2 (spec section 0).

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::{numbers, room, tensor, units, value};
use crate::Area;

#[cube(launch)]
fn convex_kernel<F: Float>(
    flow: &Tensor<F>,
    mask: &Tensor<F>,
    out: &mut Tensor<F>,
    height: usize,
    width: usize,
    #[define(F)] _numbers: ElemType,
) {
    let coarse = height * width;
    let (fine_width, fine) = (8 * width, 64 * coarse);
    if ABSOLUTE_POS >= out.len() / 2 {
        terminate!();
    }
    let (picture, pixel) = (ABSOLUTE_POS / fine, ABSOLUTE_POS % fine);
    let (y, x) = (pixel / fine_width, pixel % fine_width);
    let (row, column) = (y / 8, x / 8);
    let place = (y % 8) * 8 + x % 8;
    let logits = (picture * 576 + place) * coarse + row * width + column;
    let mut most = f32::cast_from(mask[logits]);
    for k in 1..9usize {
        most = most.max(f32::cast_from(mask[logits + k * 64 * coarse]));
    }
    let mut sum = 0.0f32;
    let mut u = 0.0f32;
    let mut v = 0.0f32;
    let base = picture * 2 * coarse;
    for k in 0..9usize {
        let weight = (f32::cast_from(mask[logits + k * 64 * coarse]) - most).exp();
        let near_row = row as i32 + (k / 3) as i32 - 1;
        let near_column = column as i32 + (k % 3) as i32 - 1;
        sum += weight;
        u += weight * value::<F>(flow, base, near_row, near_column, height, width);
        v += weight * value::<F>(flow, base + coarse, near_row, near_column, height, width);
    }
    let at = picture * 2 * fine + pixel;
    out[at] = F::cast_from(8.0 * u / sum);
    out[at + fine] = F::cast_from(8.0 * v / sum);
}

/// As [`raft::convex_upsample`](crate::networks::raft::convex_upsample); `None` where the tensors
/// are of another device.
pub fn convex_upsample(flow: &Burn<4>, mask: &Burn<4>) -> Option<Burn<4>> {
    let [batch, _, height, width] = flow.dims();
    let mask = mask.clone().cast(flow.dtype());
    let (flow, mask) = (tensor(flow)?, tensor(&mask)?);
    let out = room(&flow, [batch, 2, 8 * height, 8 * width]);
    let (count, dim) = units(&out, out.meta.num_elements() / 2);
    convex_kernel::launch(
        &out.client,
        count,
        dim,
        flow.clone().into_tensor_arg(),
        mask.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        height,
        width,
        numbers(&flow),
    );
    Some(Burn::from_primitive::<Cube>(out))
}

/// The other line, beside `line / 2`, that a line of twice `length` is made of.
#[cube]
fn other(line: usize, length: usize) -> usize {
    let own = line / 2;
    let mut other = own;
    if line % 2 == 1 {
        if own + 1 < length {
            other = own + 1;
        }
    } else if own > 0 {
        other = own - 1;
    }
    other
}

/// What it takes of that one.
#[cube]
fn share(line: usize, length: usize) -> f32 {
    let own = line / 2;
    let mut steps = own;
    if line % 2 == 1 {
        steps = length - 1 - own;
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
    #[define(F)] _numbers: ElemType,
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
    let far = base + (other(row, height) - held_top) * held_columns;
    let (own, beside) = (column / 2 - held_left, other(column, width) - held_left);
    let down = share(row, height);
    let first = f32::cast_from(x[near + own]);
    let first = first + down * (f32::cast_from(x[far + own]) - first);
    let second = f32::cast_from(x[near + beside]);
    let second = second + down * (f32::cast_from(x[far + beside]) - second);
    out[ABSOLUTE_POS] = F::cast_from(first + share(column, width) * (second - first));
}

/// As [`upsample_area`](crate::kernels::upsample::upsample_area); `None` where the tensor is of
/// another device.
pub fn upsample_area(x: &Burn<4>, held: &Area, size: [usize; 2], area: &Area) -> Option<Burn<4>> {
    let [batch, channels, _, _] = x.dims();
    let x = tensor(x)?;
    let [rows, columns] = area.size();
    let out = room(&x, [batch, channels, rows, columns]);
    let (count, dim) = units(&out, out.meta.num_elements());
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
        numbers(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
