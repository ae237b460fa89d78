//! The GPU forms of the lookup in one level of a correlation: in its volume, or by inner products of
//! features computed where they are needed. No indices lie in memory.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::{PATCH, RADIUS, SIDE};
use crate::kernels::cube::{
    bilinear_sample, cube_tensor, cube_units, elem_type, empty_like, launch_size,
};
use crate::kernels::upcast::upcast;

/// Returns a coordinate at a level, clamped to just outside the samples' reach, so that it fits an
/// integer.
#[cube]
fn near(coordinate: f32, scale: f32, size: usize) -> f32 {
    let edge = f32::cast_from(RADIUS) + 2.0;
    (coordinate * scale)
        .max(-edge)
        .min(f32::cast_from(size) + edge)
}

#[cube(launch)]
fn lookup_kernel<F: Float>(
    volume: &Tensor<F>,
    coordinates: &Tensor<f32>,
    out: &mut Tensor<F>,
    scale: f32,
    positions: usize,
    height: usize,
    width: usize,
    #[define(F)] _elem: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let samples = comptime!(SIDE * SIDE);
    let (line, position) = (ABSOLUTE_POS / positions, ABSOLUTE_POS % positions);
    let (image, sample) = (line / samples, line % samples);
    let at = image * 2 * positions + position;
    let x = near(coordinates[at], scale, width) + f32::cast_from(sample / SIDE);
    let y = near(coordinates[at + positions], scale, height) + f32::cast_from(sample % SIDE);
    let (x, y) = (x - f32::cast_from(RADIUS), y - f32::cast_from(RADIUS));
    let base = (image * positions + position) * height * width;
    let value = bilinear_sample::<F>(volume, base, y, x, height, width);
    out[ABSOLUTE_POS] = F::cast_from(value);
}

/// Samples a level `[B, h·w, height·width]` of the volume around `coordinates` `[B, 2, h, w]`
/// (channel 0 x), which are divided by `2^level`. Returns `[B, 81, h, w]`, or `None` unless both
/// tensors are on a CubeCL device.
pub fn lookup(
    volume: &Burn<3>,
    [height, width]: [usize; 2],
    coordinates: &Burn<4>,
    level: usize,
) -> Option<Burn<4>> {
    let [batch, _, rows, columns] = coordinates.dims();
    let (volume, coordinates) = (
        cube_tensor(volume)?,
        cube_tensor(&upcast(coordinates.clone()))?,
    );
    let out = empty_like(&volume, [batch, SIDE * SIDE, rows, columns]);
    let (count, dim) = launch_size(&out, out.meta.num_elements());
    lookup_kernel::launch(
        &out.client,
        count,
        dim,
        volume.clone().into_tensor_arg(),
        coordinates.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        1.0 / (1 << level) as f32,
        rows * columns,
        height,
        width,
        elem_type(&volume),
    );
    Some(Burn::from_primitive::<Cube>(out))
}

#[cube(launch)]
fn features_kernel<F: Float>(
    first: &Tensor<F>,
    second: &Tensor<F>,
    coordinates: &Tensor<f32>,
    out: &mut Tensor<F>,
    scale: f32,
    positions: usize,
    channels: usize,
    height: usize,
    width: usize,
    #[comptime] units: usize,
    #[define(F)] _elem: ElemType,
) {
    let mut products = Shared::new_slice(comptime!(PATCH * PATCH));
    let unit = UNIT_POS as usize;
    let (image, position) = (CUBE_POS / positions, CUBE_POS % positions);
    let at = image * 2 * positions + position;
    let x = near(coordinates[at], scale, width);
    let y = near(coordinates[at + positions], scale, height);
    let (left, top) = (x.floor(), y.floor());
    let (dx, dy) = (x - left, y - top);
    let own = CUBE_POS * channels;
    for place in range_stepped(unit, comptime!(PATCH * PATCH), units) {
        let column = i32::cast_from(left) + (place / PATCH) as i32 - RADIUS as i32;
        let row = i32::cast_from(top) + (place % PATCH) as i32 - RADIUS as i32;
        let mut sum = 0.0f32;
        if row >= 0 && column >= 0 && row < height as i32 && column < width as i32 {
            let pixel = (image * height + row as usize) * width + column as usize;
            for channel in 0..channels {
                let factor = f32::cast_from(second[pixel * channels + channel]);
                sum += f32::cast_from(first[own + channel]) * factor;
            }
        }
        products[place] = sum;
    }
    sync_cube();
    for sample in range_stepped(unit, comptime!(SIDE * SIDE), units) {
        let place = sample / SIDE * PATCH + sample % SIDE;
        let near = products[place] * (1.0 - dy) + products[place + 1] * dy;
        let far = products[place + PATCH] * (1.0 - dy) + products[place + PATCH + 1] * dy;
        out[(image * comptime!(SIDE * SIDE) + sample) * positions + position] =
            F::cast_from(near * (1.0 - dx) + far * dx);
    }
}

/// Computes [`lookup`] from the features `[B, h·w, C]` of the first map and those of a level,
/// `[B, height·width, C]`.
pub fn lookup_from_features(
    first: &Burn<3>,
    second: &Burn<3>,
    [height, width]: [usize; 2],
    coordinates: &Burn<4>,
    level: usize,
) -> Option<Burn<4>> {
    let [batch, _, rows, columns] = coordinates.dims();
    let channels = first.dims()[2];
    let (first, second) = (cube_tensor(first)?, cube_tensor(second)?);
    let coordinates = cube_tensor(&upcast(coordinates.clone()))?;
    let out = empty_like(&first, [batch, SIDE * SIDE, rows, columns]);
    let units = cube_units(&first, 128);
    features_kernel::launch(
        &out.client,
        CubeCount::Static((batch * rows * columns) as u32, 1, 1),
        CubeDim::new_1d(units as u32),
        first.clone().into_tensor_arg(),
        second.into_tensor_arg(),
        coordinates.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        1.0 / (1 << level) as f32,
        rows * columns,
        channels,
        height,
        width,
        units,
        elem_type(&first),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
