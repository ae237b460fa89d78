//! From sums to results.

use burn_cubecl::cubecl::{self, cmma, prelude::*};

use super::form::{Form, Order, WARP};

/// What happens to a sum: `after(activation(scale · sum + bias) + addend)`. An activation is the
/// slope of negative values.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Finish {
    pub scale: f32,
    pub slope: f32,
    pub after: f32,
    /// Whether there is a bias.
    pub biased: u32,
    /// Whether there is an addend.
    pub added: u32,
}

/// Applies an activation that is given by the slope of negative values.
#[cube]
fn bend(value: f32, slope: f32) -> f32 {
    let bent = select(slope == 0.0, 0.0f32, value * slope);
    select(value < 0.0, bent, value)
}

/// Returns the bias of an output of the tile; 0 beyond the outputs, or if there is none.
#[cube]
fn bias_of<W: Float>(
    bias: &Tensor<W>,
    corner: &Corner,
    output: usize,
    outputs: usize,
    finish: &Finish,
) -> f32 {
    let has = finish.biased != 0 && output < outputs;
    let value = f32::cast_from(bias[select(has, corner.channel + output, 0usize)]);
    select(has, value, 0.0f32)
}

/// Stores one result.
#[cube]
fn store<F: Float>(
    sum: f32,
    bias: f32,
    channel: usize,
    place: usize,
    added: usize,
    addend: &Tensor<F>,
    out: &mut Tensor<F>,
    finish: &Finish,
) {
    let mut value = bend(sum * finish.scale + bias, finish.slope);
    if finish.added != 0 {
        value += f32::cast_from(addend[added + channel * addend.stride(1)]);
    }
    let at = place + channel * out.stride(1);
    out[at] = F::cast_from(bend(value, finish.after));
}

/// Where the tile lies: its image, the first channel of its group, its first output of the group, and
/// its first pixel.
#[derive(CubeType, Clone, Copy)]
pub struct Corner {
    pub image: usize,
    pub channel: usize,
    pub output: usize,
    pub pixel: usize,
}

/// Stores the sums of the unit's lanes.
#[cube]
pub fn store_sums<F: Float, W: Float>(
    sums: &Array<f32>,
    corner: &Corner,
    outputs: usize,
    bias: &Tensor<W>,
    addend: &Tensor<F>,
    out: &mut Tensor<F>,
    finish: &Finish,
    #[comptime] form: Form,
) {
    let lane_rows = comptime!(form.tile.lane_rows);
    let lane_columns = comptime!(form.tile.lane_columns);
    let across = comptime!(form.tile.columns / lane_columns);
    let width = out.shape(3);
    let pixels = out.shape(2) * width;
    #[unroll(form.one())]
    for lane_index in 0..comptime!(form.lanes_each()) {
        let lane = UNIT_POS as usize + lane_index * comptime!(form.units);
        let output = corner.output + lane / across * lane_rows;
        let own = lane_index * comptime!(lane_rows * lane_columns);
        let mut biases = Array::<f32>::new(lane_rows);
        #[unroll]
        for i in 0..lane_rows {
            biases[i] = bias_of::<W>(bias, corner, output + i, outputs, finish);
        }
        #[unroll]
        for j in 0..lane_columns {
            let pixel = corner.pixel + lane % across * lane_columns + j;
            if pixel < pixels {
                let (y, x) = (pixel / width, pixel % width);
                let place = corner.image * out.stride(0) + y * out.stride(2) + x * out.stride(3);
                let added =
                    corner.image * addend.stride(0) + y * addend.stride(2) + x * addend.stride(3);
                #[unroll]
                for i in 0..lane_rows {
                    if output + i < outputs {
                        let channel = corner.channel + output + i;
                        let sum = sums[own + i * lane_columns + j];
                        store::<F>(sum, biases[i], channel, place, added, addend, out, finish);
                    }
                }
            }
        }
    }
}

/// Stores the sums of the warp's fragments by way of shared memory, so that neighbouring units store
/// neighbouring results.
#[cube]
pub fn store_fragments<F: Float, W: Float>(
    sums: &Sequence<cmma::Matrix<f32>>,
    corner: &Corner,
    outputs: usize,
    bias: &Tensor<W>,
    addend: &Tensor<F>,
    out: &mut Tensor<F>,
    finish: &Finish,
    #[comptime] form: Form,
) {
    let (rows, columns) = comptime!((form.tile.rows, form.tile.columns));
    let by_rows = comptime!(form.order == Order::Rows);
    let pitch = comptime!(if by_rows { rows + 4 } else { columns + 4 });
    let length = comptime!(pitch * if by_rows { columns } else { rows });
    let mut results = Shared::<[f32]>::new_aligned_slice(length, 32usize);
    let down = comptime!(form.fragments_down());
    let across = comptime!(form.fragments_across());
    let warp = UNIT_POS as usize / WARP;
    #[unroll]
    for i in 0..down {
        #[unroll]
        for j in 0..across {
            let row = warp / 2 * comptime!(16 * down) + comptime!(16 * i);
            let column = warp % 2 * comptime!(16 * across) + comptime!(16 * j);
            let at = if comptime!(by_rows) {
                column * pitch + row
            } else {
                row * pitch + column
            };
            let order = comptime!(if by_rows {
                cmma::MatrixLayout::ColMajor
            } else {
                cmma::MatrixLayout::RowMajor
            });
            cmma::store(
                &mut results[at..at + 16],
                &sums[comptime!(i * across + j)],
                comptime!(pitch as u32),
                order,
            );
        }
    }
    sync_cube();
    let width = out.shape(3);
    let pixels = out.shape(2) * width;
    let inner = comptime!(if by_rows { rows } else { columns });
    for i in 0..comptime!(rows * columns / form.units) {
        let place = UNIT_POS as usize + i * comptime!(form.units);
        let sum = results[place / inner * pitch + place % inner];
        let (first, second) = (place / inner, place % inner);
        let (row, column) = if comptime!(by_rows) {
            (second, first)
        } else {
            (first, second)
        };
        let (output, pixel) = (corner.output + row, corner.pixel + column);
        if output < outputs && pixel < pixels {
            let (y, x) = (pixel / width, pixel % width);
            let place = corner.image * out.stride(0) + y * out.stride(2) + x * out.stride(3);
            let added =
                corner.image * addend.stride(0) + y * addend.stride(2) + x * addend.stride(3);
            let channel = corner.channel + output;
            let bias = bias_of::<W>(bias, corner, output, outputs, finish);
            store::<F>(sum, bias, channel, place, added, addend, out, finish);
        }
    }
}
