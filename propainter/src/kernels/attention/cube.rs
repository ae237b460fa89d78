//! The GPU form of attention: many windows in one launch. Every window reads its queries, keys and
//! values from the rows of one table, so that nothing is gathered and no scores lie in global memory,
//! and writes each result to its place. Softmax runs online, along with the sums.

use burn::tensor::Tensor as Burn;
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::windows::{DeviceWindowLists, TILE};
use crate::kernels::{
    cube::{cube_tensor, cube_units, elem_type, empty_like, index_tensor},
    cube_math::exp,
    flops,
};

/// Lanes to a side of a tile. A lane computes a square of 2×2 scores, and two rows of the result. If
/// there are fewer units than lanes, a unit takes several lanes.
const LANES: usize = TILE / 2;
/// Elements from one row of scores to the next. It is odd, so that units that read along rows use
/// different banks.
const SCORES: usize = TILE + 1;
/// Units that share a row of scores in the softmax.
const SHARES: usize = 8;
/// The place of the result of a row that is no query.
const NOWHERE: u32 = u32::MAX;

/// Reads a tile of rows of the table, from column `column` on, times a factor, and zeros after the
/// first `left`. The rows are every `step`-th element of the list from `at` on.
#[cube]
fn read_tile<F: Float>(
    table: &Tensor<F>,
    list: &Tensor<i32>,
    at: usize,
    step: usize,
    left: usize,
    width: usize,
    column: usize,
    factor: f32,
    tile: &mut Shared<[f32]>,
    #[comptime] size: usize,
    #[comptime] units: usize,
) {
    for i in range_stepped(UNIT_POS as usize, comptime!(TILE * size), units) {
        let (row, dim) = (i / size, i % size);
        let mut value = 0.0f32;
        if row < left {
            let place = list[at + row * step] as usize;
            value = factor * f32::cast_from(table[place * width + column + dim]);
        }
        tile[row * comptime!(size + 1) + dim] = value;
    }
}

#[cube(launch)]
fn attend_kernel<F: Float>(
    table: &Tensor<F>,
    list: &Tensor<i32>,
    out: &mut Tensor<F>,
    heads: usize,
    scale: f32,
    #[comptime] size: usize,
    #[comptime] units: usize,
    #[define(F)] _elem: ElemType,
) {
    let stride = comptime!(size + 1);
    let lanes_each = comptime!(LANES * LANES / units);
    let dims_each = comptime!(size / LANES);
    let unit = UNIT_POS as usize;
    let (job, head) = (CUBE_POS / heads * 4, CUBE_POS % heads);
    let (queries, count) = (list[job] as usize, list[job + 1] as usize);
    let (keys, length) = (list[job + 2] as usize, list[job + 3] as usize);
    // A row holds the queries of all heads, then the keys, then the values.
    let width = 3 * heads * size;

    let mut asked = Shared::new_slice(comptime!(TILE * stride));
    // Keys, then values.
    let mut met = Shared::new_slice(comptime!(TILE * stride));
    let mut scores = Shared::new_slice(comptime!(TILE * SCORES));
    // For each query: the factor by which its sums so far shrink.
    let mut shrink = Shared::new_slice(TILE);
    // For each of the units that share its row: the largest score of the tile in its share of the row, the
    // largest score of the row so far, and the sum of exponentials in its share so far.
    let mut tops = Shared::new_slice(comptime!(TILE * SHARES));
    let mut most = Shared::new_slice(comptime!(TILE * SHARES));
    let mut totals = Shared::new_slice(comptime!(TILE * SHARES));
    let mut sums = Array::<f32>::new(comptime!(lanes_each * 2 * dims_each));
    for i in 0..comptime!(lanes_each * 2 * dims_each) {
        sums[i] = 0.0;
    }
    read_tile(
        table,
        list,
        queries,
        2,
        count,
        width,
        head * size,
        scale,
        &mut asked,
        size,
        units,
    );
    for i in range_stepped(unit, comptime!(TILE * SHARES), units) {
        most[i] = f32::cast_from(-1e30f32);
        totals[i] = 0.0f32;
    }
    // Where the results of each query begin, which takes no registers until the end.
    let mut places = Shared::<[u32]>::new_slice(TILE);
    for row in range_stepped(unit, TILE, units) {
        let mut place = u32::cast_from(NOWHERE);
        if row < count {
            let result = list[queries + 2 * row + 1] as usize;
            place = u32::cast_from((result * heads + head) * size);
        }
        places[row] = place;
    }
    for start in range_stepped(0, length, TILE) {
        read_tile(
            table,
            list,
            keys + start,
            1,
            length - start,
            width,
            (heads + head) * size,
            1.0,
            &mut met,
            size,
            units,
        );
        sync_cube();
        for i in 0..lanes_each {
            let lane = unit + i * units;
            let (row, column) = (lane / LANES, lane % LANES);
            let mut near = 0.0f32;
            let mut right = 0.0f32;
            let mut below = 0.0f32;
            let mut both = 0.0f32;
            for dim in 0..size {
                let query = asked[row * stride + dim];
                let other_query = asked[(row + LANES) * stride + dim];
                let key = met[column * stride + dim];
                let other_key = met[(column + LANES) * stride + dim];
                near += query * key;
                right += query * other_key;
                below += other_query * key;
                both += other_query * other_key;
            }
            if start + column >= length {
                near = f32::cast_from(-1e30f32);
                below = f32::cast_from(-1e30f32);
            }
            if start + column + LANES >= length {
                right = f32::cast_from(-1e30f32);
                both = f32::cast_from(-1e30f32);
            }
            scores[row * SCORES + column] = near;
            scores[row * SCORES + column + LANES] = right;
            scores[(row + LANES) * SCORES + column] = below;
            scores[(row + LANES) * SCORES + column + LANES] = both;
        }
        sync_cube();
        read_tile(
            table,
            list,
            keys + start,
            1,
            length - start,
            width,
            (2 * heads + head) * size,
            1.0,
            &mut met,
            size,
            units,
        );
        // Several units share a row of scores.
        for i in range_stepped(unit, comptime!(TILE * SHARES), units) {
            let first = i / SHARES * SCORES + i % SHARES * comptime!(TILE / SHARES);
            let mut top = scores[first];
            #[unroll]
            for key in 1..comptime!(TILE / SHARES) {
                top = top.max(scores[first + key]);
            }
            tops[i] = top;
        }
        sync_cube();
        for i in range_stepped(unit, comptime!(TILE * SHARES), units) {
            let (row, share) = (i / SHARES, i % SHARES);
            let before = most[i];
            let mut top = before;
            #[unroll]
            for j in 0..SHARES {
                top = top.max(tops[row * SHARES + j]);
            }
            let first = row * SCORES + share * comptime!(TILE / SHARES);
            let mut sum = 0.0f32;
            #[unroll]
            for key in 0..comptime!(TILE / SHARES) {
                let weight = exp(scores[first + key] - top);
                scores[first + key] = weight;
                sum += weight;
            }
            let factor = exp(before - top);
            totals[i] = totals[i] * factor + sum;
            most[i] = top;
            if share == 0 {
                shrink[row] = factor;
            }
        }
        sync_cube();
        for i in 0..lanes_each {
            let lane = unit + i * units;
            let (row, column) = (lane / LANES, lane % LANES);
            let at = i * comptime!(2 * dims_each);
            let factor = shrink[row];
            let other_factor = shrink[row + LANES];
            #[unroll]
            for j in 0..dims_each {
                sums[at + j] *= factor;
                sums[at + dims_each + j] *= other_factor;
            }
            for key in 0..TILE {
                let weight = scores[row * SCORES + key];
                let other_weight = scores[(row + LANES) * SCORES + key];
                #[unroll]
                for j in 0..dims_each {
                    let value = met[key * stride + column + j * LANES];
                    sums[at + j] += weight * value;
                    sums[at + dims_each + j] += other_weight * value;
                }
            }
        }
        sync_cube();
    }
    for i in 0..lanes_each {
        let lane = unit + i * units;
        let (row, column) = (lane / LANES, lane % LANES);
        let at = i * comptime!(2 * dims_each);
        for half in 0..2usize {
            let row = row + half * LANES;
            let place = places[row];
            if place != NOWHERE {
                let base = place as usize + column;
                let mut factor = 0.0f32;
                if length > 0 {
                    let mut total = 0.0f32;
                    for share in 0..SHARES {
                        total += totals[row * SHARES + share];
                    }
                    factor = 1.0 / total;
                }
                for j in 0..dims_each {
                    let sum = sums[at + half * dims_each + j] * factor;
                    out[base + j * LANES] = F::cast_from(sum);
                }
            }
        }
    }
}

/// Computes softmax(q kᵀ · `scale`) v in each window and for each head.
///
/// - `table`: `[rows, 3 · heads · D]`: queries, keys and values of all heads, D a multiple of 16
/// - `results`: the number of rows of the result; a row that no window writes is not defined
///
/// Returns `[results, heads · D]`, or `None` unless the tensors are on a CubeCL device.
pub fn windowed_attention(
    table: &Burn<2>,
    lists: &DeviceWindowLists,
    results: usize,
    heads: usize,
    scale: f64,
) -> Option<Burn<2>> {
    let width = table.dims()[1] / 3;
    let (table, list) = (cube_tensor(table)?, index_tensor(&lists.list)?);
    let out = empty_like(&table, [results, width]);
    let units = cube_units(&table, LANES * LANES);
    attend_kernel::launch(
        &out.client,
        CubeCount::Static((lists.jobs * heads) as u32, 1, 1),
        CubeDim::new_1d(units as u32),
        table.clone().into_tensor_arg(),
        list.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        heads,
        scale as f32,
        width / heads,
        units,
        elem_type(&table),
    );
    flops::count(2 * lists.pairs * width);
    Some(Burn::from_primitive::<Cube>(out))
}
