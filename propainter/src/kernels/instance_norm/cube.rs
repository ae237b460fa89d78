//! The GPU form of instance norm, a cube for each plane.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::EPSILON;
use crate::kernels::cube::{cube_tensor, cube_units, elem_type, empty_like};

/// Returns the sum of one value of each unit. `sums` has a place for each.
#[cube]
fn sum_of_units(value: f32, sums: &mut Shared<[f32]>, #[comptime] units: usize) -> f32 {
    let unit = UNIT_POS as usize;
    sums[unit] = value;
    sync_cube();
    let mut left = units.runtime();
    while left > 1 {
        left /= 2;
        if unit < left {
            sums[unit] += sums[unit + left];
        }
        sync_cube();
    }
    let sum = sums[0];
    // Before the places are written again.
    sync_cube();
    sum
}

#[cube(launch)]
fn norm_kernel<F: Float>(
    x: &Tensor<F>,
    out: &mut Tensor<F>,
    plane: usize,
    #[comptime] rectify: bool,
    #[comptime] units: usize,
    #[define(F)] _elem: ElemType,
) {
    let mut sums = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    let base = CUBE_POS * plane;
    let mut sum = 0.0f32;
    for i in range_stepped(unit, plane, units) {
        sum += f32::cast_from(x[base + i]);
    }
    let mean = sum_of_units(sum, &mut sums, units) / f32::cast_from(plane);
    let mut square = 0.0f32;
    for i in range_stepped(unit, plane, units) {
        let away = f32::cast_from(x[base + i]) - mean;
        square += away * away;
    }
    let variance = sum_of_units(square, &mut sums, units) / f32::cast_from(plane);
    let scale = 1.0 / (variance + EPSILON).sqrt();
    for i in range_stepped(unit, plane, units) {
        let mut norm = (f32::cast_from(x[base + i]) - mean) * scale;
        if rectify {
            norm = norm.max(0.0);
        }
        out[base + i] = F::cast_from(norm);
    }
}

/// Computes [`instance_norm`](super::instance_norm); returns `None` if `x` is not on a CubeCL
/// device.
pub fn instance_norm(x: &Burn<4>, rectify: bool) -> Option<Burn<4>> {
    let [batch, channels, height, width] = x.dims();
    let x = cube_tensor(x)?;
    let out = empty_like(&x, x.meta.shape().clone());
    // There are few planes, so that each takes as many units as there can be.
    let units = cube_units(&x, 1024);
    norm_kernel::launch(
        &out.client,
        CubeCount::Static((batch * channels) as u32, 1, 1),
        CubeDim::new_1d(units as u32),
        x.clone().into_tensor_arg(),
        out.clone().into_tensor_arg(),
        height * width,
        rectify,
        units,
        elem_type(&x),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
