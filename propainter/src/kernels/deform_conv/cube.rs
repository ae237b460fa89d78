//! The GPU form of deformable convolution. A cube samples one group of channels for a strip of
//! pixels into shared memory, adds its products, and goes on to the next group; the samples never
//! lie in global memory.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::SamplingPoints;
use crate::kernels::{
    cube::{bilinear_sample, cube_tensor, cube_units, elem_type, empty_like},
    cube_math::{sigmoid, tanh},
    upcast::upcast,
};

/// Pixels of a cube.
const STRIP: usize = 16;
/// Pixels of a strip that one unit sums for one output channel.
const EACH: usize = 8;

#[cube(launch)]
fn deform_kernel<F: Float>(
    x: &Tensor<F>,
    offset: &Tensor<f32>,
    modulation: &Tensor<f32>,
    flow: &Tensor<f32>,
    weight: &Tensor<f32>,
    bias: &Tensor<f32>,
    out: &mut Tensor<F>,
    height: usize,
    width: usize,
    limit: f32,
    #[comptime] groups: usize,
    #[comptime] each: usize,
    #[comptime] learned: bool,
    #[comptime] flows: bool,
    #[comptime] units: usize,
    #[define(F)] _elem: ElemType,
) {
    let taps = comptime!(9 * groups);
    let outputs = bias.len();
    let plane = height * width;
    let strips = plane.div_ceil(STRIP);
    let unit = UNIT_POS as usize;
    let (image, start) = (CUBE_POS / strips, CUBE_POS % strips * STRIP);
    // Learned points are one tensor: offsets, then modulations.
    let kinds = comptime!(if learned { 3usize } else { 2usize });
    let offset_base = image * kinds * taps * plane;
    let modulation_base = if comptime!(learned) {
        offset_base + 2 * taps * plane
    } else {
        image * taps * plane
    };

    // (tap, channel of the group, pixel)
    let mut samples = Shared::new_slice(comptime!(9 * each * STRIP));
    // A job is one output channel of `EACH` pixels. With 256 units and 128 channels there is one
    // round of jobs, so that no pixel is sampled twice.
    let jobs = outputs * comptime!(STRIP / EACH);
    let mut sums = Array::<f32>::new(EACH);
    let rounds = jobs.div_ceil(units);
    for round in 0..rounds {
        let job = unit + round * units;
        let (output, part) = (job % outputs, job / outputs);
        for i in 0..EACH {
            sums[i] = 0.0;
        }
        for group in 0..groups {
            sync_cube();
            for site in range_stepped(unit, comptime!(9 * STRIP), units) {
                let (tap, pixel) = (site / STRIP, site % STRIP);
                let at = start + pixel;
                let mut strength = 0.0f32;
                let mut row = 0.0f32;
                let mut column = 0.0f32;
                if at < plane {
                    let place = offset_base + 2 * (group * 9 + tap) * plane + at;
                    let mut down = offset[place];
                    let mut right = offset[place + plane];
                    strength = modulation[modulation_base + (group * 9 + tap) * plane + at];
                    if comptime!(learned) {
                        down = limit * tanh(down);
                        right = limit * tanh(right);
                        strength = sigmoid(strength);
                    }
                    if comptime!(flows) {
                        // Offsets are ordered (dy, dx), flows (x, y).
                        down += flow[(image * 2 + 1) * plane + at];
                        right += flow[image * 2 * plane + at];
                    }
                    row = f32::cast_from(at / width + tap / 3) - 1.0 + down;
                    column = f32::cast_from(at % width + tap % 3) - 1.0 + right;
                    // A place far outside is clamped to just outside, so that it fits an integer.
                    row = row.max(-2.0).min(f32::cast_from(height) + 2.0);
                    column = column.max(-2.0).min(f32::cast_from(width) + 2.0);
                }
                for channel in 0..each {
                    let base = ((image * groups + group) * each + channel) * plane;
                    let sample = bilinear_sample::<F>(x, base, row, column, height, width);
                    samples[(tap * each + channel) * STRIP + pixel] = sample * strength;
                }
            }
            sync_cube();
            if job < jobs {
                let rows = group * comptime!(9 * each);
                for k in 0..comptime!(9 * each) {
                    let factor = weight[(rows + k) * outputs + output];
                    #[unroll]
                    for i in 0..EACH {
                        sums[i] += factor * samples[k * STRIP + part * EACH + i];
                    }
                }
            }
        }
        if job < jobs {
            for i in 0..EACH {
                let at = start + part * EACH + i;
                if at < plane {
                    out[(image * outputs + output) * plane + at] =
                        F::cast_from(sums[i] + bias[output]);
                }
            }
        }
    }
}

/// Packs a weight `[O, C, 3, 3]` for [`deform_conv`]: `[9·C, O]` with rows ordered (group, tap,
/// channel of the group), in 32 bits.
pub fn pack_weight(weight: Burn<4>, groups: usize) -> Burn<2> {
    let [outputs, channels, ..] = weight.dims();
    let weight = upcast(weight).reshape([outputs, groups, channels / groups, 9]);
    weight
        .permute([1, 3, 2, 0])
        .reshape([9 * channels, outputs])
}

/// Computes [`deform_conv`](super::deform_conv) with a weight that [`pack_weight`] packed; returns
/// `None` unless all tensors are on a CubeCL device.
pub fn deform_conv(
    x: &Burn<4>,
    points: &SamplingPoints,
    weight: &Burn<2>,
    bias: &Burn<1>,
    groups: usize,
) -> Option<Burn<4>> {
    let [batch, channels, height, width] = x.dims();
    let outputs = bias.dims()[0];
    let upcast_tensor = |x: &Burn<4>| cube_tensor(&upcast(x.clone()));
    let (x, weight, bias) = (
        cube_tensor(x)?,
        cube_tensor(weight)?,
        cube_tensor(&upcast(bias.clone()))?,
    );
    let (offset, modulation, limit, flow) = match points {
        SamplingPoints::Given { offset, modulation } => (
            upcast_tensor(offset)?,
            upcast_tensor(modulation)?,
            None,
            None,
        ),
        SamplingPoints::Learned { raw, limit, flow } => {
            let raw = upcast_tensor(raw)?;
            let flow = match flow {
                Some(flow) => Some(upcast_tensor(flow)?),
                None => None,
            };
            (raw.clone(), raw, Some(*limit), flow)
        }
    };
    let out = empty_like(&x, [batch, outputs, height, width]);
    let units = cube_units(&x, 256);
    let cubes = batch * (height * width).div_ceil(STRIP);
    deform_kernel::launch(
        &out.client,
        CubeCount::Static(cubes as u32, 1, 1),
        CubeDim::new_1d(units as u32),
        x.clone().into_tensor_arg(),
        offset.clone().into_tensor_arg(),
        modulation.into_tensor_arg(),
        flow.clone().unwrap_or(offset).into_tensor_arg(),
        weight.into_tensor_arg(),
        bias.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        height,
        width,
        limit.unwrap_or(0.0),
        groups,
        channels / groups,
        limit.is_some(),
        flow.is_some(),
        units,
        elem_type(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
