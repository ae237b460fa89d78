//! The GPU form of layer norm. Some units share a row; a cube takes several rows.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::EPSILON;
use crate::kernels::cube::{cube_tensor, cube_units, elem_type, empty_like};

/// Units that share a row. Neighbours read neighbours.
const LANES: usize = 32;

#[cube(launch)]
fn norm_kernel<F: Float>(
    x: &Tensor<F>,
    gain: &Tensor<f32>,
    shift: &Tensor<f32>,
    out: &mut Tensor<F>,
    rows: usize,
    size: usize,
    #[comptime] lanes: usize,
    #[comptime] units: usize,
    #[define(F)] _elem: ElemType,
) {
    let mut partial = Shared::new_slice(units);
    let (group, lane) = (UNIT_POS as usize / lanes, UNIT_POS as usize % lanes);
    let row = CUBE_POS * comptime!(units / lanes) + group;
    let (base, first) = (row * size, group * lanes);
    // Every unit meets both barriers, also those without a row.
    let mut length = 0usize;
    if row < rows {
        length = size;
    }
    let mut sum = 0.0f32;
    for i in range_stepped(lane, length, lanes) {
        sum += f32::cast_from(x[base + i]);
    }
    partial[UNIT_POS as usize] = sum;
    sync_cube();
    let mut mean = 0.0f32;
    for i in 0..lanes {
        mean += partial[first + i];
    }
    mean /= f32::cast_from(size);
    sync_cube();
    let mut square = 0.0f32;
    for i in range_stepped(lane, length, lanes) {
        let away = f32::cast_from(x[base + i]) - mean;
        square += away * away;
    }
    partial[UNIT_POS as usize] = square;
    sync_cube();
    let mut variance = 0.0f32;
    for i in 0..lanes {
        variance += partial[first + i];
    }
    let scale = 1.0 / (variance / f32::cast_from(size) + EPSILON).sqrt();
    for i in range_stepped(lane, length, lanes) {
        let norm = (f32::cast_from(x[base + i]) - mean) * scale;
        out[base + i] = F::cast_from(norm * gain[i] + shift[i]);
    }
    // The rows after the last are zero.
    if row >= rows && base < out.len() {
        for i in range_stepped(lane, size, lanes) {
            out[base + i] = F::from_int(0);
        }
    }
}

/// Computes [`layer_norm`](super::layer_norm); returns `None` unless all tensors are on a CubeCL
/// device.
pub fn layer_norm(x: &Burn<2>, gain: &Burn<1>, shift: &Burn<1>, spare: usize) -> Option<Burn<2>> {
    let [rows, size] = x.dims();
    let (x, gain, shift) = (cube_tensor(x)?, cube_tensor(gain)?, cube_tensor(shift)?);
    let out = empty_like(&x, [rows + spare, size]);
    let units = cube_units(&x, 256);
    let lanes = LANES.min(units);
    norm_kernel::launch(
        &out.client,
        CubeCount::Static((rows + spare).div_ceil(units / lanes) as u32, 1, 1),
        CubeDim::new_1d(units as u32),
        x.clone().into_tensor_arg(),
        gain.into_tensor_arg(),
        shift.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        rows,
        size,
        lanes,
        units,
        elem_type(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
