//! The kernel of [`Product`](super::Product): a cube computes a tile of output channels by pixels.
//!
//! The products of a sum are ordered by inputs, blocks of channels, and taps; between two barriers a
//! cube adds `depth` of them. It reads the next ones into registers while it multiplies those in
//! shared memory, which has two buffers, so that there is one barrier a step. Lanes of a warp read
//! neighbouring pixels and neighbouring output channels; the taps of a block of channels read the
//! same lines of the cache.

use burn_cubecl::cubecl::{self, ir::ElemType, prelude::*};

use super::tile::Tile;

/// What is compiled into the kernel. All else is known when it is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// The tile of a cube.
    pub tile: Tile,
    /// Units of a cube; a power of two.
    pub units: usize,
    /// Inputs that are read as one.
    pub inputs: usize,
    /// The order in which products are added.
    pub order: Order,
}

/// The order in which the products of a sum are added, and which lanes read what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Block of channels by block of channels, for each of them tap by tap. Lanes read neighbouring
    /// pixels.
    Channels,
    /// Taps and channels as one axis of at most [`LISTED`] elements: for few channels, of which
    /// blocks would be nearly empty.
    Listed,
    /// Channels of a kernel with a single tap, where the channels of a pixel are neighbours in
    /// memory. Lanes read neighbouring channels.
    Rows,
}

/// The most products of a sum in [`Order::Listed`].
pub const LISTED: usize = 512;

/// A geometry as the kernel reads it.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Window {
    pub kernel_height: usize,
    pub kernel_width: usize,
    pub stride_y: i32,
    pub stride_x: i32,
    pub padding_y: i32,
    pub padding_x: i32,
    pub dilation_y: i32,
    pub dilation_x: i32,
}

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
    let bent = value * slope;
    select(value < 0.0, select(slope == 0.0, 0.0f32, bent), value)
}

/// Returns whether a tap reads inside the plane.
#[cube]
fn inside(y: i32, x: i32, height: usize, width: usize) -> bool {
    u32::cast_from(y) < u32::cast_from(height) && u32::cast_from(x) < u32::cast_from(width)
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub fn product_kernel<F: Float, W: Float>(
    inputs: &Sequence<OwnedTensor<F>>,
    weight: &Tensor<W>,
    bias: &Tensor<W>,
    addend: &Tensor<F>,
    out: &mut Tensor<F>,
    window: Window,
    finish: Finish,
    groups: usize,
    #[comptime] form: Form,
    #[define(F)] _elem: ElemType,
    #[define(W)] _weight_elem: ElemType,
) {
    let units = comptime!(form.units);
    let rows = comptime!(form.tile.rows);
    let columns = comptime!(form.tile.columns);
    let depth = comptime!(form.tile.depth);
    let lane_rows = comptime!(form.tile.lane_rows);
    let lane_columns = comptime!(form.tile.lane_columns);
    let lanes_across = comptime!(columns / lane_columns);
    let lanes_each = comptime!(form.tile.lanes() / units);
    let by_rows = comptime!(form.order == Order::Rows);
    let listed = comptime!(form.order == Order::Listed);
    let one = comptime!(lanes_each == 1);
    // Where units read along channels, rows of pixels are padded, against conflicts of banks.
    let pitch = comptime!(if by_rows { columns + 4 } else { columns });
    // Weights, then pixels, that a unit reads between two barriers.
    let weights_each = comptime!(depth * rows / units);
    let pixels_each = comptime!(depth * columns / units);
    // Columns of pixels that a unit reads, and its rows in each.
    let own_columns = comptime!(if columns > units {
        columns / units
    } else {
        1usize
    });
    let own_rows = comptime!(pixels_each / own_columns);
    let row_step = comptime!(depth / own_rows);

    let unit = UNIT_POS as usize;
    let (height, width) = (inputs[0].shape(2), inputs[0].shape(3));
    let out_width = out.shape(3);
    let pixels = out.shape(2) * out_width;
    let taps = window.kernel_height * window.kernel_width;
    let outputs = weight.shape(3);
    let sum_length = weight.shape(2);
    let group_inputs = sum_length / taps;

    let tiles_down = outputs.div_ceil(rows);
    let tiles_across = pixels.div_ceil(columns);
    let first_output = CUBE_POS % tiles_down * rows;
    let rest = CUBE_POS / tiles_down;
    let first_pixel = rest % tiles_across * columns;
    let rest = rest / tiles_across;
    let (image, group) = (rest / groups, rest % groups);
    let weight_base = image * weight.stride(0) + group * weight.stride(1);

    // The inputs: where the group's channels begin, how many they are, and their strides.
    let mut bases = Sequence::<usize>::new();
    let mut counts = Sequence::<usize>::new();
    let mut channel_strides = Sequence::<usize>::new();
    let mut row_strides = Sequence::<usize>::new();
    let mut column_strides = Sequence::<usize>::new();
    #[unroll]
    for i in 0..comptime!(form.inputs) {
        let input = &inputs[i];
        let count = input.shape(1) / groups;
        bases.push(image * input.stride(0) + group * count * input.stride(1));
        counts.push(count);
        channel_strides.push(input.stride(1));
        row_strides.push(input.stride(2));
        column_strides.push(input.stride(3));
    }

    // The top left tap of each column of pixels that the unit reads.
    let mut tops = Array::<i32>::new(own_columns);
    let mut lefts = Array::<i32>::new(own_columns);
    #[unroll]
    for j in 0..own_columns {
        let pixel = first_pixel + unit % columns + j * units;
        let top = (pixel / out_width) as i32 * window.stride_y - window.padding_y;
        // A pixel beyond the last one reads outside.
        tops[j] = select(pixel < pixels, top, i32::cast_from(-1_000_000_000));
        lefts[j] = (pixel % out_width) as i32 * window.stride_x - window.padding_x;
    }

    // The list of offsets and places of all products.
    let list_length = comptime!(if listed { LISTED } else { 1usize });
    let mut offsets = Shared::<[u32]>::new_slice(list_length);
    let mut places_y = Shared::<[i32]>::new_slice(list_length);
    let mut places_x = Shared::<[i32]>::new_slice(list_length);
    if comptime!(listed) {
        for k in range_stepped(unit, sum_length, units) {
            let (tap, channel) = (k / group_inputs, k % group_inputs);
            let y = (tap / window.kernel_width) as i32 * window.dilation_y;
            let x = (tap % window.kernel_width) as i32 * window.dilation_x;
            let offset = i32::cast_from(channel * channel_strides[0])
                + y * i32::cast_from(row_strides[0])
                + x * i32::cast_from(column_strides[0]);
            offsets[k] = u32::cast_from(offset);
            places_y[k] = y;
            places_x[k] = x;
        }
        sync_cube();
    }

    let mut weight_tile = Shared::<[f32]>::new_aligned_slice(comptime!(2 * depth * rows), 16usize);
    let mut pixel_tile = Shared::<[f32]>::new_aligned_slice(comptime!(2 * depth * pitch), 16usize);
    let mut next_weights = Array::<f32>::new(weights_each);
    let mut next_pixels = Array::<f32>::new(pixels_each);
    let mut sums = Array::<f32>::new(comptime!(lanes_each * lane_rows * lane_columns));
    #[unroll(one)]
    for i in 0..comptime!(lanes_each * lane_rows * lane_columns) {
        sums[i] = 0.0;
    }

    let mut steps = 0usize.runtime();
    if comptime!(listed) {
        steps = sum_length.div_ceil(depth);
    } else {
        #[unroll]
        for i in 0..comptime!(form.inputs) {
            steps += counts[i].div_ceil(depth) * taps;
        }
    }

    // The place in the sum: input, first of its channels, first of all channels, and tap.
    let mut input = 0usize.runtime();
    let mut channel = 0usize.runtime();
    let mut weight_channel = 0usize.runtime();
    let mut tap = 0usize.runtime();
    let mut tap_y = 0i32.runtime();
    let mut tap_x = 0i32.runtime();

    for step in 0..steps + 1 {
        let buffer = step % 2;
        if step < steps {
            // Read the next weights.
            let mut weight_row = tap * group_inputs + weight_channel;
            if comptime!(listed) {
                weight_row = step * depth;
            }
            let last_row = weight_base + sum_length * weight.stride(2);
            #[unroll(one)]
            for i in 0..weights_each {
                let place = unit + i * units;
                let output = first_output + place % rows;
                let row = weight_row + place / rows;
                let at = weight_base + row * weight.stride(2) + output;
                let value = f32::cast_from(weight[at]);
                next_weights[i] = select(output < outputs && at < last_row, value, 0.0f32);
            }
            // Read the next pixels.
            if comptime!(listed) {
                #[unroll]
                for j in 0..own_columns {
                    let top = tops[j];
                    let left = lefts[j];
                    let base = i32::cast_from(bases[0])
                        + top * i32::cast_from(row_strides[0])
                        + left * i32::cast_from(column_strides[0]);
                    #[unroll(one)]
                    for i in 0..own_rows {
                        let k = step * depth + unit / columns + i * row_step;
                        let at = select(k < sum_length, k, 0usize);
                        let reads = inside(top + places_y[at], left + places_x[at], height, width);
                        let place = usize::cast_from(base + i32::cast_from(offsets[at]));
                        let value = f32::cast_from(inputs[0][place]);
                        next_pixels[j * own_rows + i] =
                            select(reads && k < sum_length, value, 0.0f32);
                    }
                }
            } else {
                #[unroll]
                for p in 0..comptime!(form.inputs) {
                    if input == p {
                        if comptime!(by_rows) {
                            #[unroll(one)]
                            for i in 0..pixels_each {
                                let place = unit + i * units;
                                let pixel = first_pixel + place / depth;
                                let k = channel + place % depth;
                                let at =
                                    bases[p] + k * channel_strides[p] + pixel * column_strides[p];
                                let value = f32::cast_from(inputs[p][at]);
                                let reads = pixel < pixels && k < counts[p];
                                next_pixels[i] = select(reads, value, 0.0f32);
                            }
                        } else {
                            #[unroll]
                            for j in 0..own_columns {
                                let y = tops[j] + tap_y;
                                let x = lefts[j] + tap_x;
                                let reads = inside(y, x, height, width);
                                let base = i32::cast_from(bases[p])
                                    + y * i32::cast_from(row_strides[p])
                                    + x * i32::cast_from(column_strides[p]);
                                #[unroll(one)]
                                for i in 0..own_rows {
                                    let k = channel + unit / columns + i * row_step;
                                    let at = usize::cast_from(base) + k * channel_strides[p];
                                    let value = f32::cast_from(inputs[p][at]);
                                    next_pixels[j * own_rows + i] =
                                        select(reads && k < counts[p], value, 0.0f32);
                                }
                            }
                        }
                    }
                }
            }
            // Go to the next tap, block of channels, or input.
            tap += 1;
            tap_x += window.dilation_x;
            if tap_x == window.kernel_width as i32 * window.dilation_x {
                tap_x = 0i32;
                tap_y += window.dilation_y;
            }
            if tap == taps {
                tap = 0usize;
                tap_y = 0i32;
                let mut count = counts[0];
                #[unroll]
                for p in 1..comptime!(form.inputs) {
                    if input == p {
                        count = counts[p];
                    }
                }
                let left = count - channel;
                if left <= depth {
                    channel = 0usize;
                    weight_channel += left;
                    input += 1;
                } else {
                    channel += depth;
                    weight_channel += depth;
                }
            }
        }
        if step > 0 {
            // Multiply what the last step read.
            let weights_at = (1 - buffer) * comptime!(depth * rows);
            let pixels_at = (1 - buffer) * comptime!(depth * pitch);
            #[unroll(one)]
            for lane_index in 0..lanes_each {
                let lane = unit + lane_index * units;
                let row = weights_at + lane / lanes_across * lane_rows;
                let column = pixels_at + lane % lanes_across * lane_columns;
                let own = lane_index * comptime!(lane_rows * lane_columns);
                #[unroll(one)]
                for k in 0..depth {
                    let mut factors = Array::<f32>::new(lane_rows);
                    #[unroll]
                    for i in 0..lane_rows {
                        factors[i] = weight_tile[row + k * rows + i];
                    }
                    #[unroll]
                    for j in 0..lane_columns {
                        let value = pixel_tile[column + k * pitch + j];
                        #[unroll]
                        for i in 0..lane_rows {
                            sums[own + i * lane_columns + j] += factors[i] * value;
                        }
                    }
                }
            }
        }
        if step < steps {
            let weights_at = buffer * comptime!(depth * rows);
            let pixels_at = buffer * comptime!(depth * pitch);
            #[unroll(one)]
            for i in 0..weights_each {
                weight_tile[weights_at + unit + i * units] = next_weights[i];
            }
            if comptime!(by_rows) {
                #[unroll(one)]
                for i in 0..pixels_each {
                    let place = unit + i * units;
                    pixel_tile[pixels_at + place % depth * pitch + place / depth] = next_pixels[i];
                }
            } else {
                #[unroll]
                for j in 0..own_columns {
                    #[unroll(one)]
                    for i in 0..own_rows {
                        let row = unit / columns + i * row_step;
                        pixel_tile[pixels_at + row * pitch + unit % columns + j * units] =
                            next_pixels[j * own_rows + i];
                    }
                }
            }
        }
        sync_cube();
    }

    let channel_stride = out.stride(1);
    #[unroll(one)]
    for lane_index in 0..lanes_each {
        let lane = unit + lane_index * units;
        let output = first_output + lane / lanes_across * lane_rows;
        let own = lane_index * comptime!(lane_rows * lane_columns);
        #[unroll]
        for j in 0..lane_columns {
            let pixel = first_pixel + lane % lanes_across * lane_columns + j;
            if pixel < pixels {
                let (y, x) = (pixel / out_width, pixel % out_width);
                let place = image * out.stride(0) + y * out.stride(2) + x * out.stride(3);
                let added = image * addend.stride(0) + y * addend.stride(2) + x * addend.stride(3);
                #[unroll]
                for i in 0..lane_rows {
                    if output + i < outputs {
                        let channel = group * outputs + output + i;
                        let mut value = sums[own + i * lane_columns + j] * finish.scale;
                        if finish.biased != 0 {
                            value += f32::cast_from(bias[channel]);
                        }
                        value = bend(value, finish.slope);
                        if finish.added != 0 {
                            value += f32::cast_from(addend[added + channel * addend.stride(1)]);
                        }
                        let at = place + channel * channel_stride;
                        out[at] = F::cast_from(bend(value, finish.after));
                    }
                }
            }
        }
    }
}
