//! Warp by a flow, and the forward–backward check without a warped flow in memory
//! (spec section 0).

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::{between, numbers, room, tensor, units, value};
use crate::kernels::{warp::Sampling, wide::wide};

/// Where a sample lies along an axis, as the official arithmetic leaves it. What is far outside
/// comes near, so that it is a whole number still.
#[cube]
fn place(position: usize, shift: f32, size: usize) -> f32 {
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
    #[define(F)] _numbers: ElemType,
) {
    let plane = height * width;
    if ABSOLUTE_POS >= out.len() / channels {
        terminate!();
    }
    let (picture, pixel) = (ABSOLUTE_POS / plane, ABSOLUTE_POS % plane);
    let shift = picture * 2 * plane + pixel;
    let column = place(pixel % width, flow[shift], width);
    let row = place(pixel / width, flow[shift + plane], height);
    for channel in 0..channels {
        let base = (picture * channels + channel) * plane;
        let sample = if nearest {
            // Half rounds to even.
            let (row, column) = (row.round(), column.round());
            value::<F>(
                x,
                base,
                i32::cast_from(row),
                i32::cast_from(column),
                height,
                width,
            )
        } else {
            between::<F>(x, base, row, column, height, width)
        };
        out[base + pixel] = F::cast_from(sample);
    }
}

/// As [`kernels::warp`](crate::kernels::warp::warp); `None` where the tensors are of another
/// device.
pub fn warp(x: &Burn<4>, flow: &Burn<4>, sampling: Sampling) -> Option<Burn<4>> {
    let [_, channels, height, width] = x.dims();
    let (x, flow) = (tensor(x)?, tensor(&wide(flow.clone()))?);
    let out = room(&x, x.meta.shape().clone());
    let (count, dim) = units(&out, out.meta.num_elements() / channels);
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
        numbers(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}

#[cube(launch)]
fn consistency_kernel<F: Float>(
    forward: &Tensor<F>,
    backward: &Tensor<F>,
    out: &mut Tensor<F>,
    height: usize,
    width: usize,
    #[define(F)] _numbers: ElemType,
) {
    let plane = height * width;
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let (picture, pixel) = (ABSOLUTE_POS / plane, ABSOLUTE_POS % plane);
    let base = picture * 2 * plane;
    let u = f32::cast_from(forward[base + pixel]);
    let v = f32::cast_from(forward[base + plane + pixel]);
    let column = place(pixel % width, u, width);
    let row = place(pixel / width, v, height);
    let back_u = between::<F>(backward, base, row, column, height, width);
    let back_v = between::<F>(backward, base + plane, row, column, height, width);
    let (sum_u, sum_v) = (u + back_u, v + back_v);
    let bound = (u * u + v * v + back_u * back_u + back_v * back_v) * 0.01 + 0.5;
    let agree = sum_u * sum_u + sum_v * sum_v < bound;
    out[ABSOLUTE_POS] = select(agree, F::from_int(1), F::from_int(0));
}

/// As [`kernels::consistency`](crate::kernels::warp::consistency); `None` where the tensors are
/// of another device.
pub fn consistency(forward: &Burn<4>, backward: &Burn<4>) -> Option<Burn<4>> {
    let [batch, _, height, width] = forward.dims();
    let backward = backward.clone().cast(forward.dtype());
    let (forward, backward) = (tensor(forward)?, tensor(&backward)?);
    let out = room(&forward, [batch, 1, height, width]);
    let (count, dim) = units(&out, out.meta.num_elements());
    consistency_kernel::launch(
        &out.client,
        count,
        dim,
        forward.clone().into_tensor_arg(),
        backward.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        height,
        width,
        numbers(&forward),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
