//! The part of the condition of a deformable alignment that depends on the flow, in one launch: the
//! warped features, the flow, where the flow back agrees, and the masks.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::cube::{agreement, place};
use crate::kernels::cube::{bilinear_sample, cube_tensor, elem_type, empty_like, launch_size};

/// Channels that a unit warps.
const EACH: usize = 8;

#[cube(launch)]
fn guided_kernel<F: Float>(
    x: &Tensor<F>,
    flow: &Tensor<f32>,
    back: &Tensor<f32>,
    masks: &Tensor<F>,
    out: &mut Tensor<F>,
    channels: usize,
    mask_channels: usize,
    height: usize,
    width: usize,
    #[define(F)] _elem: ElemType,
) {
    let plane = height * width;
    let parts = channels.div_ceil(EACH);
    let (image, rest) = (
        ABSOLUTE_POS / (parts * plane),
        ABSOLUTE_POS % (parts * plane),
    );
    let (part, pixel) = (rest / plane, rest % plane);
    let outputs = channels + 3 + mask_channels;
    let to = image * outputs * plane + pixel;
    if to >= out.len() {
        terminate!();
    }
    let shift = image * 2 * plane + pixel;
    let (right, down) = (flow[shift], flow[shift + plane]);
    let column = place(pixel % width, right, width);
    let row = place(pixel / width, down, height);
    for i in 0..EACH {
        let channel = part * EACH + i;
        if channel < channels {
            let base = (image * channels + channel) * plane;
            let sample = bilinear_sample::<F>(x, base, row, column, height, width);
            out[to + channel * plane] = F::cast_from(sample);
        }
    }
    if part == 0 {
        let to = to + channels * plane;
        out[to] = F::cast_from(right);
        out[to + plane] = F::cast_from(down);
        let agree = agreement::<f32>(back, image, right, down, row, column, height, width);
        out[to + 2 * plane] = select(agree, F::from_int(1), F::from_int(0));
        for channel in 0..mask_channels {
            let from = (image * mask_channels + channel) * plane + pixel;
            out[to + (3 + channel) * plane] = masks[from];
        }
    }
}

/// Computes [`guided`](super::guided()); returns `None` unless all tensors are on a CubeCL device.
pub fn guided(x: &Burn<4>, [flow, back]: [&Burn<4>; 2], masks: &Burn<4>) -> Option<Burn<4>> {
    let [batch, channels, height, width] = x.dims();
    let mask_channels = masks.dims()[1];
    let (x, masks) = (
        cube_tensor(x)?,
        cube_tensor(&masks.clone().cast(x.dtype()))?,
    );
    let (flow, back) = (cube_tensor(flow)?, cube_tensor(back)?);
    let out = empty_like(&x, [batch, channels + 3 + mask_channels, height, width]);
    let units = batch * channels.div_ceil(EACH) * height * width;
    let (count, dim) = launch_size(&out, units);
    guided_kernel::launch(
        &out.client,
        count,
        dim,
        x.clone().into_tensor_arg(),
        flow.into_tensor_arg(),
        back.into_tensor_arg(),
        masks.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        channels,
        mask_channels,
        height,
        width,
        elem_type(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
