//! The GPU forms of the lookup: in the volume of all pairs, or by inner products of features computed
//! where they are needed. One launch covers all levels, and no coordinates lie in memory.
//!
//! The 9×9 samples around a position are interpolated between values at 10×10 places, which a cube
//! brings into shared memory first.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
    tensor::CubeTensor,
};

use super::{LEVELS, PATCH, RADIUS, SIDE};
use crate::kernels::{
    cube::{cube_tensor, cube_units, elem_type, empty_like, strided_tensor},
    upcast::upcast,
};

/// Samples around a position at a level.
const SAMPLES: usize = SIDE * SIDE;
/// Places around a position at a level.
const PLACES: usize = PATCH * PATCH;
/// Positions of a cube that reads the volume: what it writes of a channel fills whole sectors.
const POSITIONS: usize = 16;
/// Positions of a cube that multiplies features.
const GROUP: usize = 4;
/// Lanes that share an inner product.
const LANES: usize = 16;

/// Returns the coordinate of a position at a level, clamped to just outside the samples' reach, so
/// that it fits an integer.
#[cube]
fn near(coordinate: f32, scale: f32, size: usize) -> f32 {
    let edge = f32::cast_from(RADIUS) + 2.0;
    (coordinate * scale)
        .max(-edge)
        .min(f32::cast_from(size) + edge)
}

/// Returns the coordinate of a position of the first map along an axis, 0 for x: its place in the
/// grid plus the flow, or what the tensor says.
#[cube]
fn coordinate(
    moved: &Tensor<f32>,
    image: usize,
    position: usize,
    columns: usize,
    #[comptime] axis: usize,
    #[comptime] flows: bool,
) -> f32 {
    let (row, column) = (position / columns, position % columns);
    let at = image * moved.stride(0)
        + axis * moved.stride(1)
        + row * moved.stride(2)
        + column * moved.stride(3);
    let place = if comptime!(axis == 0) { column } else { row };
    if comptime!(flows) {
        f32::cast_from(place) + moved[at]
    } else {
        moved[at]
    }
}

/// Computes where the places around each of `count` positions begin: its first column, then, after
/// those of all positions, its first row. `shares` gets the shares of the next column and row.
#[cube]
fn find_corners(
    moved: &Tensor<f32>,
    image: usize,
    start: usize,
    positions: usize,
    columns: usize,
    scale: f32,
    height: usize,
    width: usize,
    corners: &mut Shared<[i32]>,
    shares: &mut Shared<[f32]>,
    #[comptime] count: usize,
    #[comptime] flows: bool,
    #[comptime] units: usize,
) {
    for local in range_stepped(UNIT_POS as usize, count, units) {
        let position = start + local;
        if position < positions {
            let x = coordinate(moved, image, position, columns, 0usize, flows);
            let y = coordinate(moved, image, position, columns, 1usize, flows);
            let (x, y) = (near(x, scale, width), near(y, scale, height));
            let (left, top) = (x.floor(), y.floor());
            corners[local] = i32::cast_from(left) - RADIUS as i32;
            corners[count + local] = i32::cast_from(top) - RADIUS as i32;
            shares[local] = x - left;
            shares[count + local] = y - top;
        }
    }
}

/// Interpolates a sample between the values at the places around a position, from `base` on.
#[cube]
fn interpolate(values: &Shared<[f32]>, base: usize, sample: usize, dx: f32, dy: f32) -> f32 {
    let place = base + sample / SIDE * PATCH + sample % SIDE;
    let near = values[place] * (1.0 - dy) + values[place + 1] * dy;
    let far = values[place + PATCH] * (1.0 - dy) + values[place + PATCH + 1] * dy;
    near * (1.0 - dx) + far * dx
}

/// Reads one of four tensors.
#[cube]
fn read_level<F: Float>(
    level: usize,
    first: &Tensor<F>,
    second: &Tensor<F>,
    third: &Tensor<F>,
    fourth: &Tensor<F>,
    at: usize,
) -> f32 {
    let mut value = 0.0f32;
    if level == 0 {
        value = f32::cast_from(first[at]);
    }
    if level == 1 {
        value = f32::cast_from(second[at]);
    }
    if level == 2 {
        value = f32::cast_from(third[at]);
    }
    if level == 3 {
        value = f32::cast_from(fourth[at]);
    }
    value
}

#[cube(launch)]
fn volume_kernel<F: Float>(
    first: &Tensor<F>,
    second: &Tensor<F>,
    third: &Tensor<F>,
    fourth: &Tensor<F>,
    moved: &Tensor<f32>,
    out: &mut Tensor<F>,
    positions: usize,
    columns: usize,
    height: usize,
    width: usize,
    first_level: usize,
    levels: usize,
    #[comptime] flows: bool,
    #[comptime] units: usize,
    #[define(F)] _elem: ElemType,
) {
    let unit = UNIT_POS as usize;
    let strips = positions.div_ceil(POSITIONS);
    let (level, strip) = (CUBE_POS % levels, CUBE_POS / levels);
    let (image, start) = (strip / strips, strip % strips * POSITIONS);
    // The size of a level is half that of the level before, rounded down.
    let shift = (first_level + level) as u32;
    let (height, width) = (height >> level, width >> level);
    let scale = 1.0 / f32::cast_from(1u32 << shift);

    let mut values = Shared::<[f32]>::new_slice(comptime!(POSITIONS * PLACES));
    let mut corners = Shared::<[i32]>::new_slice(comptime!(2 * POSITIONS));
    let mut shares = Shared::<[f32]>::new_slice(comptime!(2 * POSITIONS));
    find_corners(
        moved,
        image,
        start,
        positions,
        columns,
        scale,
        height,
        width,
        &mut corners,
        &mut shares,
        POSITIONS,
        flows,
        units,
    );
    sync_cube();
    for job in range_stepped(unit, comptime!(POSITIONS * PLACES), units) {
        // Units side by side read a row of the level.
        let (local, place) = (job / PLACES, job % PLACES);
        let (down, right) = (place / PATCH, place % PATCH);
        let mut value = 0.0f32;
        if start + local < positions {
            let row = corners[POSITIONS + local] + down as i32;
            let column = corners[local] + right as i32;
            if row >= 0 && column >= 0 && row < height as i32 && column < width as i32 {
                let plane = (image * positions + start + local) * height;
                let at = (plane + row as usize) * width + column as usize;
                value = read_level::<F>(level, first, second, third, fourth, at);
            }
        }
        values[local * PLACES + right * PATCH + down] = value;
    }
    sync_cube();
    for job in range_stepped(unit, comptime!(POSITIONS * SAMPLES), units) {
        // Units side by side write positions side by side.
        let (sample, local) = (job / POSITIONS, job % POSITIONS);
        if start + local < positions {
            let (dx, dy) = (shares[local], shares[POSITIONS + local]);
            let value = interpolate(&values, local * PLACES, sample, dx, dy);
            let channel = (image * levels + level) * SAMPLES + sample;
            out[channel * positions + start + local] = F::cast_from(value);
        }
    }
}

#[cube(launch)]
fn features_kernel<F: Float>(
    own: &Tensor<F>,
    first: &Tensor<F>,
    second: &Tensor<F>,
    third: &Tensor<F>,
    fourth: &Tensor<F>,
    moved: &Tensor<f32>,
    out: &mut Tensor<F>,
    positions: usize,
    columns: usize,
    channels: usize,
    height: usize,
    width: usize,
    first_level: usize,
    levels: usize,
    #[comptime] flows: bool,
    #[comptime] units: usize,
    #[define(F)] _elem: ElemType,
) {
    let unit = UNIT_POS as usize;
    let strips = positions.div_ceil(GROUP);
    let (line, strip) = (CUBE_POS / strips, CUBE_POS % strips);
    let (image, level) = (line / levels, line % levels);
    let start = strip * GROUP;
    let shift = (first_level + level) as u32;
    let (height, width) = (height >> level, width >> level);
    let scale = 1.0 / f32::cast_from(1u32 << shift);

    let mut corners = Shared::<[i32]>::new_slice(comptime!(2 * GROUP));
    let mut shares = Shared::<[f32]>::new_slice(comptime!(2 * GROUP));
    // The parts of the inner products. A row of them is odd, so that units that sum rows use
    // different banks.
    let mut parts = Shared::<[f32]>::new_slice(comptime!(GROUP * PLACES * (LANES + 1)));
    let mut products = Shared::<[f32]>::new_slice(comptime!(GROUP * PLACES));
    find_corners(
        moved,
        image,
        start,
        positions,
        columns,
        scale,
        height,
        width,
        &mut corners,
        &mut shares,
        GROUP,
        flows,
        units,
    );
    sync_cube();
    for job in range_stepped(unit, comptime!(GROUP * PLACES * LANES), units) {
        // Units side by side read channels side by side.
        let (site, lane) = (job / LANES, job % LANES);
        let (local, place) = (site / PLACES, site % PLACES);
        let mut sum = 0.0f32;
        if start + local < positions {
            let column = corners[local] + (place / PATCH) as i32;
            let row = corners[GROUP + local] + (place % PATCH) as i32;
            if row >= 0 && column >= 0 && row < height as i32 && column < width as i32 {
                let pixel = (image * height + row as usize) * width + column as usize;
                let own_base = (image * positions + start + local) * channels;
                for channel in range_stepped(lane, channels, LANES) {
                    let at = pixel * channels + channel;
                    let factor = read_level::<F>(level, first, second, third, fourth, at);
                    sum = fma(f32::cast_from(own[own_base + channel]), factor, sum);
                }
            }
        }
        parts[site * comptime!(LANES + 1) + lane] = sum;
    }
    sync_cube();
    for site in range_stepped(unit, comptime!(GROUP * PLACES), units) {
        let mut sum = 0.0f32;
        for lane in 0..LANES {
            sum += parts[site * comptime!(LANES + 1) + lane];
        }
        products[site] = sum;
    }
    sync_cube();
    for job in range_stepped(unit, comptime!(GROUP * SAMPLES), units) {
        let (sample, local) = (job / GROUP, job % GROUP);
        if start + local < positions {
            let (dx, dy) = (shares[local], shares[GROUP + local]);
            let value = interpolate(&products, local * PLACES, sample, dx, dy);
            let channel = (image * levels + level) * SAMPLES + sample;
            out[channel * positions + start + local] = F::cast_from(value);
        }
    }
}

/// The levels that a lookup samples, and where.
pub struct Lookup<'a> {
    /// The levels of the pyramid from `first_level` on: of the volume `[B, h·w, height·width]` each,
    /// or of the second features `[B, height·width, C]`.
    pub levels: &'a [&'a Burn<3>],
    /// The index of the first of them.
    pub first_level: usize,
    /// Height and width of the first of them; those of each further one are half, rounded down.
    pub size: [usize; 2],
    /// The coordinates `[B, 2, h, w]` at level 0, channel 0 x, or the flow that is added to those of
    /// the positions.
    pub moved: &'a Burn<4>,
    /// Whether `moved` is a flow.
    pub flows: bool,
}

impl Lookup<'_> {
    /// Returns the levels as contiguous tensors; the last one stands for those that are missing.
    fn tensors(&self) -> Option<[CubeTensor; LEVELS]> {
        let last = self.levels.len().checked_sub(1)?;
        let levels = (0..LEVELS).map(|level| cube_tensor(self.levels[level.min(last)]));
        let levels: Vec<_> = levels.collect::<Option<_>>()?;
        levels.try_into().ok()
    }

    /// Samples levels of the volume. Returns `[B, 81·levels, h, w]`, or `None` unless all tensors are
    /// on a CubeCL device.
    pub fn in_volume(&self) -> Option<Burn<4>> {
        let [batch, _, rows, columns] = self.moved.dims();
        let moved = strided_tensor(&upcast(self.moved.clone()))?;
        let [first, second, third, fourth] = self.tensors()?;
        let levels = self.levels.len();
        let out = empty_like(&first, [batch, levels * SAMPLES, rows, columns]);
        let units = cube_units(&first, 256);
        let cubes = batch * (rows * columns).div_ceil(POSITIONS) * levels;
        volume_kernel::launch(
            &out.client,
            CubeCount::Static(cubes as u32, 1, 1),
            CubeDim::new_1d(units as u32),
            first.clone().into_tensor_arg(),
            second.into_tensor_arg(),
            third.into_tensor_arg(),
            fourth.into_tensor_arg(),
            moved.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            rows * columns,
            columns,
            self.size[0],
            self.size[1],
            self.first_level,
            levels,
            self.flows,
            units,
            elem_type(&first),
        );
        Some(Burn::from_primitive::<Cube>(out))
    }

    /// Computes [`Self::in_volume`] from the features `own` `[B, h·w, C]` of the first map and the
    /// levels of the second ones.
    pub fn in_features(&self, own: &Burn<3>) -> Option<Burn<4>> {
        let [batch, _, rows, columns] = self.moved.dims();
        let channels = own.dims()[2];
        let moved = strided_tensor(&upcast(self.moved.clone()))?;
        let own = cube_tensor(own)?;
        let [first, second, third, fourth] = self.tensors()?;
        let levels = self.levels.len();
        let out = empty_like(&own, [batch, levels * SAMPLES, rows, columns]);
        let units = cube_units(&own, 256);
        let cubes = batch * levels * (rows * columns).div_ceil(GROUP);
        features_kernel::launch(
            &out.client,
            CubeCount::Static(cubes as u32, 1, 1),
            CubeDim::new_1d(units as u32),
            own.clone().into_tensor_arg(),
            first.into_tensor_arg(),
            second.into_tensor_arg(),
            third.into_tensor_arg(),
            fourth.into_tensor_arg(),
            moved.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            rows * columns,
            columns,
            channels,
            self.size[0],
            self.size[1],
            self.first_level,
            levels,
            self.flows,
            units,
            elem_type(&own),
        );
        Some(Burn::from_primitive::<Cube>(out))
    }
}
