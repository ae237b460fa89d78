//! The GPU form of instance norm, a cube for each plane.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::EPSILON;
use crate::kernels::cube::{cube_tensor, cube_units, elem_type, empty_like};

#[cube(launch)]
fn norm_kernel<F: Float>(
    x: &Tensor<F>,
    out: &mut Tensor<F>,
    plane: usize,
    #[comptime] rectify: bool,
    #[comptime] units: usize,
    #[define(F)] _elem: ElemType,
) {
    let mut sums = Shared::new_slice(units);
    let mut squares = Shared::new_slice(units);
    let unit = UNIT_POS as usize;
    let base = CUBE_POS * plane;
    let mut sum = 0.0f32;
    for i in range_stepped(unit, plane, units) {
        sum += f32::cast_from(x[base + i]);
    }
    sums[unit] = sum;
    sync_cube();
    let mut mean = 0.0f32;
    for i in 0..units {
        mean += sums[i];
    }
    mean /= f32::cast_from(plane);
    let mut square = 0.0f32;
    for i in range_stepped(unit, plane, units) {
        let away = f32::cast_from(x[base + i]) - mean;
        square += away * away;
    }
    squares[unit] = square;
    sync_cube();
    let mut variance = 0.0f32;
    for i in 0..units {
        variance += squares[i];
    }
    let scale = 1.0 / (variance / f32::cast_from(plane) + EPSILON).sqrt();
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
    let units = cube_units(&x, 256);
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
