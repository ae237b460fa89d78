//! The GPU form of gathered attention. Each window reads its rows directly from the tables, so that
//! nothing is gathered and no scores lie in global memory; softmax runs online, along with the sums.

use burn::tensor::{Int, Tensor as Burn};
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use crate::kernels::{
    cube::{cube_tensor, cube_units, elem_type, empty_like, index_tensor},
    cube_math::exp,
};

/// Queries, and keys, of a tile.
const TILE: usize = 32;
/// Lanes to a side of a tile. A lane computes a square of 2×2 scores, and two rows of the result. If
/// there are fewer units than lanes, a unit takes several lanes.
const LANES: usize = TILE / 2;
/// Elements from one row of scores to the next. It is odd, so that units that read along rows use
/// different banks.
const SCORES: usize = TILE + 1;
/// Lanes that share the softmax of a row, so that all of them take part.
const SHARERS: usize = LANES * LANES / TILE;
/// Scores of a row that one of them takes.
const SHARE: usize = TILE / SHARERS;

/// Reads a tile of rows of a table: those that the list `rows` names from `at` on, times a factor,
/// and zeros after the first `left`.
#[cube]
fn read_tile<F: Float>(
    table: &Tensor<F>,
    rows: &Tensor<i32>,
    at: usize,
    left: usize,
    factor: f32,
    tile: &mut Shared<[f32]>,
    #[comptime] size: usize,
    #[comptime] units: usize,
) {
    for i in range_stepped(UNIT_POS as usize, comptime!(TILE * size), units) {
        let (row, dim) = (i / size, i % size);
        let mut value = 0.0f32;
        if row < left {
            let place = rows[at + row] as usize;
            value = factor * f32::cast_from(table[place * size + dim]);
        }
        tile[row * comptime!(size + 1) + dim] = value;
    }
}

#[cube(launch)]
fn attend_kernel<F: Float>(
    queries: &Tensor<F>,
    keys: &Tensor<F>,
    values: &Tensor<F>,
    query_rows: &Tensor<i32>,
    key_rows: &Tensor<i32>,
    out: &mut Tensor<F>,
    count: usize,
    length: usize,
    scale: f32,
    #[comptime] size: usize,
    #[comptime] units: usize,
    #[define(F)] _elem: ElemType,
) {
    let stride = comptime!(size + 1);
    let lanes_each = comptime!(LANES * LANES / units);
    let dims_each = comptime!(size / LANES);
    let unit = UNIT_POS as usize;
    let tiles = count.div_ceil(TILE);
    let (window, first) = (CUBE_POS / tiles, CUBE_POS % tiles * TILE);

    let mut asked = Shared::new_slice(comptime!(TILE * stride));
    // Keys, then values.
    let mut met = Shared::new_slice(comptime!(TILE * stride));
    let mut scores = Shared::new_slice(comptime!(TILE * SCORES));
    // For each query: its largest score so far, that with the current tile, its sum of exponentials,
    // and the factor by which the sums so far shrink.
    let mut most = Shared::new_slice(TILE);
    let mut next = Shared::<[f32]>::new_slice(TILE);
    let mut total = Shared::new_slice(TILE);
    let mut shrink = Shared::new_slice(TILE);
    // Of each lane: the largest of its scores, then the sum of their exponentials.
    let mut parts = Shared::<[f32]>::new_slice(comptime!(TILE * SHARERS));
    let mut part_sums = Shared::<[f32]>::new_slice(comptime!(TILE * SHARERS));
    let mut sums = Array::<f32>::new(comptime!(lanes_each * 2 * dims_each));
    for i in 0..comptime!(lanes_each * 2 * dims_each) {
        sums[i] = 0.0;
    }
    read_tile(
        queries,
        query_rows,
        window * count + first,
        count - first,
        scale,
        &mut asked,
        size,
        units,
    );
    for row in range_stepped(unit, TILE, units) {
        most[row] = f32::cast_from(-1e30f32);
        total[row] = 0.0f32;
    }
    for start in range_stepped(0, length, TILE) {
        read_tile(
            keys,
            key_rows,
            window * length + start,
            length - start,
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
            values,
            key_rows,
            window * length + start,
            length - start,
            1.0,
            &mut met,
            size,
            units,
        );
        for lane in range_stepped(unit, comptime!(TILE * SHARERS), units) {
            let at = lane / SHARERS * SCORES + lane % SHARERS * SHARE;
            let mut top = scores[at];
            for key in 1..SHARE {
                top = top.max(scores[at + key]);
            }
            parts[lane] = top;
        }
        sync_cube();
        for lane in range_stepped(unit, comptime!(TILE * SHARERS), units) {
            let row = lane / SHARERS;
            let mut top = most[row];
            for sharer in 0..SHARERS {
                top = top.max(parts[row * SHARERS + sharer]);
            }
            let at = row * SCORES + lane % SHARERS * SHARE;
            let mut sum = 0.0f32;
            for key in 0..SHARE {
                let weight = exp(scores[at + key] - top);
                scores[at + key] = weight;
                sum += weight;
            }
            part_sums[lane] = sum;
            if lane % SHARERS == 0 {
                next[row] = top;
                shrink[row] = exp(most[row] - top);
            }
        }
        sync_cube();
        for row in range_stepped(unit, TILE, units) {
            let mut sum = total[row] * shrink[row];
            for sharer in 0..SHARERS {
                sum += part_sums[row * SHARERS + sharer];
            }
            total[row] = sum;
            most[row] = next[row];
        }
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
            if first + row < count {
                let base = (window * count + first + row) * size + column;
                for j in 0..dims_each {
                    let sum = sums[at + half * dims_each + j] / total[row];
                    out[base + j * LANES] = F::cast_from(sum);
                }
            }
        }
    }
}

/// Computes [`gathered_attention`](super::gathered_attention) for rows of a multiple of 16 elements;
/// returns `None` unless all tensors are on a CubeCL device.
pub fn gathered_attention(
    [queries, keys, values]: [&Burn<2>; 3],
    [query_rows, key_rows]: [&Burn<1, Int>; 2],
    windows: usize,
    scale: f64,
) -> Option<Burn<3>> {
    let size = queries.dims()[1];
    let [count, length] = [query_rows, key_rows].map(|rows| rows.dims()[0] / windows);
    let (queries, keys, values) = (
        cube_tensor(queries)?,
        cube_tensor(keys)?,
        cube_tensor(values)?,
    );
    let (query_rows, key_rows) = (index_tensor(query_rows)?, index_tensor(key_rows)?);
    let out = empty_like(&queries, [windows, count, size]);
    let units = cube_units(&queries, LANES * LANES);
    attend_kernel::launch(
        &out.client,
        CubeCount::Static((windows * count.div_ceil(TILE)) as u32, 1, 1),
        CubeDim::new_1d(units as u32),
        queries.clone().into_tensor_arg(),
        keys.into_tensor_arg(),
        values.into_tensor_arg(),
        query_rows.into_tensor_arg(),
        key_rows.into_tensor_arg(),
        out.clone().into_tensor_arg(),
        count,
        length,
        scale as f32,
        size,
        units,
        elem_type(&queries),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
