//! The GPU form of deformable convolution. A cube takes a tile of pixels and 128 output channels. For
//! each group of channels it computes once where the taps of the pixels sample. Then, tap by tap, it
//! samples into shared memory and multiplies with the weights, as a matrix product does. The samples
//! never lie in global memory.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::SamplingPoints;
use crate::kernels::{
    cube::{cube_tensor, cube_units, elem_type, empty_like, spot, strided_tensor},
    cube_math::{sigmoid, tanh},
    upcast::upcast,
};

/// Output channels of a cube. The columns of a packed weight are a multiple of it.
const OUTPUTS: usize = 128;
/// Lanes of a cube. If there are fewer units than lanes, a unit takes several lanes.
const LANES: usize = 256;
/// Lanes side by side that sum different output channels of the same pixels: a warp.
const COLUMNS: usize = 32;
/// Groups of pixels of a cube.
const PARTS: usize = LANES / COLUMNS;
/// From this number of cubes on a lane sums eight pixels; below four, so that there are more cubes.
const MANY: usize = 160;

/// Returns `share` if the line is one of an axis of `size` lines, else 0.
#[cube]
fn share_inside(line: i32, size: usize, share: f32) -> f32 {
    select(line >= 0 && line < size as i32, share, 0.0f32)
}

/// Returns the line of an axis of `size` lines that is nearest to `line`.
#[cube]
fn nearest_line(line: i32, size: usize) -> usize {
    line.max(0).min(size as i32 - 1) as usize
}

#[cube(launch)]
fn deform_kernel<F: Float, R: Float>(
    x: &Tensor<F>,
    offset: &Tensor<R>,
    modulation: &Tensor<R>,
    flow: &Tensor<f32>,
    weight: &Tensor<f32>,
    bias: &Tensor<f32>,
    out: &mut Tensor<F>,
    height: usize,
    width: usize,
    limit: f32,
    groups: usize,
    each: usize,
    blocks: usize,
    // `each` again: the size of shared memory is known when the kernel is compiled, but loops over
    // it are not unrolled.
    #[comptime] depth: usize,
    #[comptime] pixels: usize,
    #[comptime] learned: bool,
    #[comptime] flows: bool,
    #[comptime] units: usize,
    #[define(F, R)] _elems: [ElemType; 2],
) {
    let tile = comptime!(PARTS * pixels);
    let lanes_each = comptime!(LANES / units);
    let plane = height * width;
    let strips = plane.div_ceil(tile);
    let unit = UNIT_POS as usize;
    let (strip, first) = (CUBE_POS / blocks, CUBE_POS % blocks * OUTPUTS);
    let (image, start) = (strip / strips, strip % strips * tile);

    // For each tap and pixel: four times the index of the upper left sample in its plane, plus 1 if
    // the right one differs, plus 2 if the lower one differs.
    let mut places = Shared::<[u32]>::new_slice(comptime!(9 * tile));
    // The weights of the four samples.
    let mut shares = Shared::<[f32]>::new_slice(comptime!(4 * 9 * tile));
    // Of one tap: (channel of the group, pixel).
    let mut samples = Shared::<[f32]>::new_slice(comptime!(depth * tile));
    // Of one tap: (channel of the group, output channel).
    let mut factors = Shared::<[f32]>::new_slice(comptime!(depth * OUTPUTS));
    let mut sums = Array::<f32>::new(comptime!(lanes_each * 4 * pixels));
    for i in 0..comptime!(lanes_each * 4 * pixels) {
        sums[i] = 0.0;
    }
    for group in 0..groups {
        for site in range_stepped(unit, comptime!(9 * tile), units) {
            let (tap, pixel) = (site / tile, site % tile);
            let at = start + pixel;
            let mut place = 0usize;
            let mut upper = 0.0f32;
            let mut lower = 0.0f32;
            let mut left_share = 0.0f32;
            let mut right_share = 0.0f32;
            if at < plane {
                let (y, across) = (at / width, at % width);
                let channel = group * 9 + tap;
                let first = spot::<R>(offset, image, 2 * channel, y, across);
                let mut down = f32::cast_from(offset[first]);
                let mut right = f32::cast_from(offset[first + offset.stride(1)]);
                // Learned points are one tensor: offsets, then modulations.
                let mut before = 0usize;
                if comptime!(learned) {
                    before = 18 * groups;
                }
                let strength = spot::<R>(modulation, image, before + channel, y, across);
                let mut strength = f32::cast_from(modulation[strength]);
                if comptime!(learned) {
                    down = limit * tanh(down);
                    right = limit * tanh(right);
                    strength = sigmoid(strength);
                }
                if comptime!(flows) {
                    // Offsets are ordered (dy, dx), flows (x, y).
                    let first = spot::<f32>(flow, image, 0usize, y, across);
                    right += flow[first];
                    down += flow[first + flow.stride(1)];
                }
                let row = f32::cast_from(y + tap / 3) - 1.0 + down;
                let column = f32::cast_from(across + tap % 3) - 1.0 + right;
                // A place far outside is clamped to just outside, so that it fits an integer.
                let row = row.max(-2.0).min(f32::cast_from(height) + 2.0);
                let column = column.max(-2.0).min(f32::cast_from(width) + 2.0);
                let (top, left) = (row.floor(), column.floor());
                let (dy, dx) = (row - top, column - left);
                let (top, left) = (i32::cast_from(top), i32::cast_from(left));
                upper = share_inside(top, height, (1.0 - dy) * strength);
                lower = share_inside(top + 1, height, dy * strength);
                left_share = share_inside(left, width, 1.0 - dx);
                right_share = share_inside(left + 1, width, dx);
                let (near_row, far_row) =
                    (nearest_line(top, height), nearest_line(top + 1, height));
                let (near, far) = (nearest_line(left, width), nearest_line(left + 1, width));
                place = 4 * (near_row * width + near) + (far - near) + 2 * (far_row - near_row);
            }
            places[site] = place as u32;
            shares[site] = upper * left_share;
            shares[9 * tile + site] = upper * right_share;
            shares[18 * tile + site] = lower * left_share;
            shares[27 * tile + site] = lower * right_share;
        }
        sync_cube();
        for tap in 0..9usize {
            for job in range_stepped(unit, each * tile, units) {
                let site = tap * tile + job % tile;
                let place = places[site] as usize;
                let base = ((image * groups + group) * each + job / tile) * plane + place / 4;
                let right = place % 2;
                let down = place / 2 % 2 * width;
                let sample = shares[site] * f32::cast_from(x[base]);
                let sample = fma(
                    shares[9 * tile + site],
                    f32::cast_from(x[base + right]),
                    sample,
                );
                let sample = fma(
                    shares[18 * tile + site],
                    f32::cast_from(x[base + down]),
                    sample,
                );
                samples[job] = fma(
                    shares[27 * tile + site],
                    f32::cast_from(x[base + down + right]),
                    sample,
                );
            }
            let rows = (group * 9 + tap) * each;
            for job in range_stepped(unit, each * OUTPUTS, units) {
                let row = (rows + job / OUTPUTS) * blocks * OUTPUTS;
                factors[job] = weight[row + first + job % OUTPUTS];
            }
            sync_cube();
            for i in 0..lanes_each {
                let lane = unit + i * units;
                let (column, part) = (lane % COLUMNS, lane / COLUMNS);
                let at = i * comptime!(4 * pixels);
                for k in 0..each {
                    let factor = k * OUTPUTS + column;
                    let first = factors[factor];
                    let second = factors[factor + COLUMNS];
                    let third = factors[factor + 2 * COLUMNS];
                    let fourth = factors[factor + 3 * COLUMNS];
                    let sample = k * tile + part * pixels;
                    #[unroll]
                    for j in 0..pixels {
                        let value = samples[sample + j];
                        let sum = at + 4 * j;
                        sums[sum] = fma(first, value, sums[sum]);
                        sums[sum + 1] = fma(second, value, sums[sum + 1]);
                        sums[sum + 2] = fma(third, value, sums[sum + 2]);
                        sums[sum + 3] = fma(fourth, value, sums[sum + 3]);
                    }
                }
            }
            sync_cube();
        }
    }
    let outputs = bias.len();
    for i in 0..lanes_each {
        let lane = unit + i * units;
        let (column, part) = (lane % COLUMNS, lane / COLUMNS);
        let sum = i * comptime!(4 * pixels);
        #[unroll]
        for q in 0..4usize {
            let output = first + column + q * COLUMNS;
            #[unroll]
            for j in 0..pixels {
                let at = start + part * pixels + j;
                if output < outputs && at < plane {
                    out[(image * outputs + output) * plane + at] =
                        F::cast_from(sums[sum + 4 * j + q] + bias[output]);
                }
            }
        }
    }
}

/// Packs a weight `[O, C, 3, 3]` for [`deform_conv`]: `[9·C, O']` with rows ordered (group, tap,
/// channel of the group), in 32 bits. O' is O extended by zeros to a multiple of 128.
pub fn pack_weight(weight: Burn<4>, groups: usize) -> Burn<2> {
    let [outputs, channels, ..] = weight.dims();
    let weight = upcast(weight).reshape([outputs, groups, channels / groups, 9]);
    let weight = weight
        .permute([1, 3, 2, 0])
        .reshape([9 * channels, outputs]);
    match outputs.next_multiple_of(OUTPUTS) - outputs {
        0 => weight,
        beyond => weight.pad([(0, beyond)], 0.0),
    }
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
    let (x, weight, bias) = (
        cube_tensor(x)?,
        cube_tensor(weight)?,
        cube_tensor(&upcast(bias.clone()))?,
    );
    let (offset, modulation, limit, flow) = match points {
        SamplingPoints::Given { offset, modulation } => {
            let modulation = modulation.clone().cast(offset.dtype());
            let offset = strided_tensor(offset)?;
            (offset, strided_tensor(&modulation)?, None, None)
        }
        SamplingPoints::Learned { raw, limit, flow } => {
            let raw = strided_tensor(raw)?;
            let flow = match flow {
                Some(flow) => Some(strided_tensor(&upcast(flow.clone()))?),
                None => None,
            };
            (raw.clone(), raw, Some(*limit), flow)
        }
    };
    let out = empty_like(&x, [batch, outputs, height, width]);
    let units = cube_units(&x, LANES);
    let blocks = outputs.div_ceil(OUTPUTS);
    let cubes = |pixels: usize| batch * (height * width).div_ceil(PARTS * pixels) * blocks;
    let pixels = if cubes(8) >= MANY { 8 } else { 4 };
    let each = channels / groups;
    deform_kernel::launch(
        &out.client,
        CubeCount::Static(cubes(pixels) as u32, 1, 1),
        CubeDim::new_1d(units as u32),
        x.clone().into_tensor_arg(),
        offset.clone().into_tensor_arg(),
        modulation.into_tensor_arg(),
        // Without a flow the argument is not read.
        flow.clone()
            .unwrap_or_else(|| bias.clone())
            .into_tensor_arg(),
        weight.into_tensor_arg(),
        bias.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        height,
        width,
        limit.unwrap_or(0.0),
        groups,
        each,
        blocks,
        each,
        pixels,
        limit.is_some(),
        flow.is_some(),
        units,
        [elem_type(&x), elem_type(&offset)],
    );
    Some(Burn::from_primitive::<Cube>(out))
}
