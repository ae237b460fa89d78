//! The kernel of [`Product`](super::Product): a cube computes a tile of output channels by pixels.
//!
//! The products of a sum are ordered by inputs, blocks of channels, and taps; between two barriers a
//! cube adds `depth` of them. It reads the next ones into registers while it multiplies those in
//! shared memory, which has two buffers, so that there is one barrier a step. Lanes of a warp read
//! neighbouring pixels and neighbouring output channels; the taps of a block of channels read the
//! same lines of the cache.

use burn_cubecl::cubecl::{self, ir::ElemType, prelude::*};

use super::{
    finish::{Corner, Finish, store_fragments, store_sums},
    form::{Form, Multiplier, Order, Window},
    multiply::{fragments, multiply, multiply_fragments},
    read::{list, read_block, read_listed, read_rows, read_weights, shares},
};

/// `F` is the type of inputs and results, `W` that of the weights, `S` that of factors in shared memory.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub fn product_kernel<F: Float, W: Float, S: Float>(
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
    #[define(S)] _shared_elem: ElemType,
) {
    let units = comptime!(form.units);
    let rows = comptime!(form.tile.rows);
    let columns = comptime!(form.tile.columns);
    let depth = comptime!(form.tile.depth);
    let by_rows = comptime!(form.order == Order::Rows);
    let listed = comptime!(form.order == Order::Listed);
    let (weight_pitch, pixel_pitch) = comptime!((form.weight_pitch(), form.pixel_pitch()));
    let own_rows = comptime!(form.own_rows());
    let row_step = comptime!(form.row_step());

    let unit = UNIT_POS as usize;
    let width = out.shape(3);
    let pixels = out.shape(2) * width;
    let taps = window.kernel_height * window.kernel_width;
    let outputs = weight.shape(3);
    let length = weight.shape(2);
    let group_inputs = length / taps;

    let tiles_down = outputs.div_ceil(rows);
    let tiles_across = pixels.div_ceil(columns);
    let rest = CUBE_POS / tiles_down;
    let (image, group) = (rest / tiles_across / groups, rest / tiles_across % groups);
    let corner = Corner {
        image,
        channel: group * outputs,
        output: CUBE_POS % tiles_down * rows,
        pixel: rest % tiles_across * columns,
    };
    let weight_base = image * weight.stride(0) + group * weight.stride(1);
    let shares = shares::<F>(inputs, image, group, groups, form);
    let list = list(&shares, &window, length, form);

    // The top left tap of each column of pixels that the unit reads.
    let mut tops = Array::<i32>::new(form.own_columns());
    let mut lefts = Array::<i32>::new(form.own_columns());
    #[unroll(form.one())]
    for j in 0..comptime!(form.own_columns()) {
        let pixel = corner.pixel + unit % columns + j * units;
        let top = (pixel / width) as i32 * window.stride_y - window.padding_y;
        // A pixel beyond the last one reads outside.
        tops[j] = select(pixel < pixels, top, i32::cast_from(-1_000_000_000));
        lefts[j] = (pixel % width) as i32 * window.stride_x - window.padding_x;
    }

    let mut weight_tile =
        Shared::<[S]>::new_aligned_slice(comptime!(2 * depth * weight_pitch), 32usize);
    let mut pixel_tile =
        Shared::<[S]>::new_aligned_slice(comptime!(2 * depth * pixel_pitch), 32usize);
    let mut next_weights = Array::<f32>::new(form.weights_each());
    let mut next_pixels = Array::<f32>::new(form.pixels_each());
    let on_units = comptime!(form.multiplier == Multiplier::Units);
    let mut sums = Array::<f32>::new(comptime!(if on_units {
        form.lanes_each() * form.tile.lane_rows * form.tile.lane_columns
    } else {
        1
    }));
    let fragment_sums = fragments(form);

    let mut steps = length.div_ceil(depth);
    if comptime!(!listed) {
        steps = 0usize;
        #[unroll]
        for i in 0..comptime!(form.inputs) {
            steps += shares.counts[i].div_ceil(depth) * taps;
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
            let mut weight_row = tap * group_inputs + weight_channel;
            if comptime!(listed) {
                weight_row = step * depth;
            }
            read_weights::<W>(
                weight,
                weight_base,
                weight_row,
                corner.output,
                &mut next_weights,
                form,
            );
            if comptime!(listed) {
                read_listed::<F>(
                    &inputs[0],
                    &shares,
                    &list,
                    &tops,
                    &lefts,
                    step * depth,
                    length,
                    &mut next_pixels,
                    form,
                );
            } else if comptime!(by_rows) {
                read_rows::<F>(
                    &inputs[0],
                    &shares,
                    corner.pixel,
                    channel,
                    &mut next_pixels,
                    form,
                );
            } else {
                #[unroll]
                for p in 0..comptime!(form.inputs) {
                    if input == p {
                        read_block::<F>(
                            &inputs[p],
                            &shares,
                            &tops,
                            &lefts,
                            tap_y,
                            tap_x,
                            channel,
                            &mut next_pixels,
                            p,
                            form,
                        );
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
                let mut count = shares.counts[0];
                #[unroll]
                for p in 1..comptime!(form.inputs) {
                    if input == p {
                        count = shares.counts[p];
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
            if comptime!(on_units) {
                multiply::<S>(&weight_tile, &pixel_tile, 1 - buffer, &mut sums, form);
            } else {
                multiply_fragments::<S>(
                    &weight_tile,
                    &pixel_tile,
                    1 - buffer,
                    &fragment_sums,
                    form,
                );
            }
        }
        if step < steps {
            let weights_at = buffer * comptime!(depth * weight_pitch);
            let pixels_at = buffer * comptime!(depth * pixel_pitch);
            #[unroll(form.one())]
            for i in 0..comptime!(form.weights_each()) {
                let place = unit + i * units;
                let at = weights_at + place / rows * weight_pitch + place % rows;
                weight_tile[at] = S::cast_from(next_weights[i]);
            }
            if comptime!(by_rows) {
                #[unroll(form.one())]
                for i in 0..comptime!(form.pixels_each()) {
                    let place = unit + i * units;
                    let at = pixels_at + place % depth * pixel_pitch + place / depth;
                    pixel_tile[at] = S::cast_from(next_pixels[i]);
                }
            } else {
                #[unroll(form.one())]
                for j in 0..comptime!(form.own_columns()) {
                    #[unroll(form.one())]
                    for i in 0..own_rows {
                        let row = unit / columns + i * row_step;
                        let at = pixels_at + row * pixel_pitch + unit % columns + j * units;
                        pixel_tile[at] = S::cast_from(next_pixels[j * own_rows + i]);
                    }
                }
            }
        }
        sync_cube();
    }
    if comptime!(on_units) {
        store_sums::<F, W>(&sums, &corner, outputs, bias, addend, out, &finish, form);
    } else {
        store_fragments::<F, W>(
            &fragment_sums,
            &corner,
            outputs,
            bias,
            addend,
            out,
            &finish,
            form,
        );
    }
}
