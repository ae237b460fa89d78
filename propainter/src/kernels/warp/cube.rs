//! The GPU forms of the warp and of the forward–backward check. The check keeps no warped flow in
//! memory.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::Sampling;
use crate::kernels::cube::{
    bilinear_sample, cube_tensor, elem_type, empty_like, launch_size, value_or_zero,
};
use crate::kernels::upcast::upcast;

/// Channels of a pixel that one unit samples: few, so that small images keep a GPU busy.
const CHANNELS: usize = 8;

/// Returns the coordinate of a sample along an axis, as the official implementation computes it. A
/// coordinate far outside is clamped to just outside, so that it fits an integer.
#[cube]
pub(crate) fn place(position: usize, shift: f32, size: usize) -> f32 {
    let span = f32::cast_from(size.max(2) - 1);
    let most = f32::cast_from(size - 1);
    let normalised = 2.0 * (f32::cast_from(position) + shift) / span - 1.0;
    let place = (normalised + 1.0) / 2.0 * most;
    place.max(-2.0).min(most + 2.0)
}

#[cube(launch)]
fn warp_kernel<F: Float>(
    x: &Tensor<F>,
    flow: &Tensor<f32>,
    out: &mut Tensor<F>,
    channels: usize,
    height: usize,
    width: usize,
    #[comptime] nearest: bool,
    #[define(F)] _elem: ElemType,
) {
    let plane = height * width;
    let parts = channels.div_ceil(CHANNELS);
    let (line, pixel) = (ABSOLUTE_POS / plane, ABSOLUTE_POS % plane);
    let (image, first) = (line / parts, line % parts * CHANNELS);
    if image * channels * plane >= out.len() {
        terminate!();
    }
    let end = channels.min(first + CHANNELS);
    let shift = image * 2 * plane + pixel;
    let column = place(pixel % width, flow[shift], width);
    let row = place(pixel / width, flow[shift + plane], height);
    for channel in first..end {
        let base = (image * channels + channel) * plane;
        let sample = if nearest {
            // Ties round to even.
            let (row, column) = (row.round(), column.round());
            value_or_zero::<F>(
                x,
                base,
                i32::cast_from(row),
                i32::cast_from(column),
                height,
                width,
            )
        } else {
            bilinear_sample::<F>(x, base, row, column, height, width)
        };
        out[base + pixel] = F::cast_from(sample);
    }
}

/// Computes [`warp`](super::warp); returns `None` unless both tensors are on a CubeCL device.
pub fn warp(x: &Burn<4>, flow: &Burn<4>, sampling: Sampling) -> Option<Burn<4>> {
    let [_, channels, height, width] = x.dims();
    let (x, flow) = (cube_tensor(x)?, cube_tensor(&upcast(flow.clone()))?);
    let out = empty_like(&x, x.meta.shape().clone());
    let parts = channels.div_ceil(CHANNELS);
    let (count, dim) = launch_size(&out, out.meta.num_elements() / channels * parts);
    warp_kernel::launch(
        &out.client,
        count,
        dim,
        x.clone().into_tensor_arg(),
        flow.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        channels,
        height,
        width,
        sampling == Sampling::Nearest,
        elem_type(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}

/// Returns whether the flow back agrees with the flow (u, v), which leads to `row` and `column`.
#[cube]
pub(super) fn agreement<F: Float>(
    backward: &Tensor<F>,
    image: usize,
    u: f32,
    v: f32,
    row: f32,
    column: f32,
    height: usize,
    width: usize,
) -> bool {
    let plane = height * width;
    let base = image * 2 * plane;
    let back_u = bilinear_sample::<F>(backward, base, row, column, height, width);
    let back_v = bilinear_sample::<F>(backward, base + plane, row, column, height, width);
    flows_agree(u, v, back_u, back_v)
}

#[cube(launch)]
fn consistency_kernel<F: Float>(
    forward: &Tensor<F>,
    backward: &Tensor<F>,
    out: &mut Tensor<F>,
    height: usize,
    width: usize,
    #[define(F)] _elem: ElemType,
) {
    let plane = height * width;
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let (image, pixel) = (ABSOLUTE_POS / plane, ABSOLUTE_POS % plane);
    let base = image * 2 * plane;
    let u = f32::cast_from(forward[base + pixel]);
    let v = f32::cast_from(forward[base + plane + pixel]);
    let column = place(pixel % width, u, width);
    let row = place(pixel / width, v, height);
    let agree = agreement::<F>(backward, image, u, v, row, column, height, width);
    out[ABSOLUTE_POS] = select(agree, F::from_int(1), F::from_int(0));
}

/// Returns whether a flow and the flow back from where it leads agree.
#[cube]
pub(crate) fn flows_agree(u: f32, v: f32, back_u: f32, back_v: f32) -> bool {
    let (sum_u, sum_v) = (u + back_u, v + back_v);
    let bound = (u * u + v * v + back_u * back_u + back_v * back_v) * 0.01 + 0.5;
    sum_u * sum_u + sum_v * sum_v < bound
}

/// Computes [`consistency`](super::consistency); returns `None` unless both tensors are on a CubeCL
/// device.
pub fn consistency(forward: &Burn<4>, backward: &Burn<4>) -> Option<Burn<4>> {
    let [batch, _, height, width] = forward.dims();
    let backward = backward.clone().cast(forward.dtype());
    let (forward, backward) = (cube_tensor(forward)?, cube_tensor(&backward)?);
    let out = empty_like(&forward, [batch, 1, height, width]);
    let (count, dim) = launch_size(&out, out.meta.num_elements());
    consistency_kernel::launch(
        &out.client,
        count,
        dim,
        forward.clone().into_tensor_arg(),
        backward.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        height,
        width,
        elem_type(&forward),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
