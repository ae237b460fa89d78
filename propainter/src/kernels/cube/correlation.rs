//! The lookup in one level of a correlation, without indices in memory (spec section 2): in its
//! volume, or with inner products taken where they are needed.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::{between, numbers, room, tensor, together, units};
use crate::kernels::{
    correlation::{PATCH, RADIUS, SIDE},
    wide::wide,
};

/// A coordinate at a level, near enough to it to be a whole number.
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
    #[define(F)] _numbers: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let samples = comptime!(SIDE * SIDE);
    let (line, position) = (ABSOLUTE_POS / positions, ABSOLUTE_POS % positions);
    let (picture, sample) = (line / samples, line % samples);
    let at = picture * 2 * positions + position;
    let x = near(coordinates[at], scale, width) + f32::cast_from(sample / SIDE);
    let y = near(coordinates[at + positions], scale, height) + f32::cast_from(sample % SIDE);
    let (x, y) = (x - f32::cast_from(RADIUS), y - f32::cast_from(RADIUS));
    let base = (picture * positions + position) * height * width;
    let value = between::<F>(volume, base, y, x, height, width);
    out[ABSOLUTE_POS] = F::cast_from(value);
}

/// Samples around `coordinates` `[B, 2, h, w]` (channel 0 x), divided by `2^level`, in a level
/// `[B, h·w, height·width]` of the volume. Result `[B, 81, h, w]`; `None` where the tensors are of
/// another device.
pub fn lookup(
    volume: &Burn<3>,
    [height, width]: [usize; 2],
    coordinates: &Burn<4>,
    level: usize,
) -> Option<Burn<4>> {
    let [batch, _, rows, columns] = coordinates.dims();
    let (volume, coordinates) = (tensor(volume)?, tensor(&wide(coordinates.clone()))?);
    let out = room(&volume, [batch, SIDE * SIDE, rows, columns]);
    let (count, dim) = units(&out, out.meta.num_elements());
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
        numbers(&volume),
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
    #[define(F)] _numbers: ElemType,
) {
    let mut products = Shared::new_slice(comptime!(PATCH * PATCH));
    let unit = UNIT_POS as usize;
    let (picture, position) = (CUBE_POS / positions, CUBE_POS % positions);
    let at = picture * 2 * positions + position;
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
            let pixel = (picture * height + row as usize) * width + column as usize;
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
        out[(picture * comptime!(SIDE * SIDE) + sample) * positions + position] =
            F::cast_from(near * (1.0 - dx) + far * dx);
    }
}

/// As [`lookup`], from features `[B, h·w, C]` and a level's `[B, height·width, C]`.
pub fn lookup_from_features(
    first: &Burn<3>,
    second: &Burn<3>,
    [height, width]: [usize; 2],
    coordinates: &Burn<4>,
    level: usize,
) -> Option<Burn<4>> {
    let [batch, _, rows, columns] = coordinates.dims();
    let channels = first.dims()[2];
    let (first, second) = (tensor(first)?, tensor(second)?);
    let coordinates = tensor(&wide(coordinates.clone()))?;
    let out = room(&first, [batch, SIDE * SIDE, rows, columns]);
    let units = together(&first, 128);
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
        numbers(&first),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
