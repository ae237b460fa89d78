//! Attention of windows that say which rows of one table of keys and values they see: nothing is
//! gathered, and no scores lie in memory. Softmax goes along with the sums (spec section 6).

use burn::tensor::{Int, Tensor as Burn};
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::{indices, numbers, room, tensor, together};

/// Queries and keys that meet at once.
const TILE: usize = 32;
/// A tile's scores are summed in squares of 2×2 and its answers in two rows, by so many lanes to
/// a side; where there are fewer units than lanes, a unit takes several.
const LANES: usize = TILE / 2;
/// Numbers between two rows of scores, so that units that go along rows meet in no bank.
const SCORES: usize = TILE + 1;

/// Takes the rows of a table that the list has from `at` on: a tile of them, times a factor, and
/// zeros after `left`.
#[cube]
fn take<F: Float>(
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
    #[define(F)] _numbers: ElemType,
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
    // Of each query: its largest score so far, its sum of exponentials, and what the sums so far
    // shrink by.
    let mut most = Shared::new_slice(TILE);
    let mut total = Shared::new_slice(TILE);
    let mut shrink = Shared::new_slice(TILE);
    let mut sums = Array::<f32>::new(comptime!(lanes_each * 2 * dims_each));
    for i in 0..comptime!(lanes_each * 2 * dims_each) {
        sums[i] = 0.0;
    }
    take(
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
        take(
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
        take(
            values,
            key_rows,
            window * length + start,
            length - start,
            1.0,
            &mut met,
            size,
            units,
        );
        for row in range_stepped(unit, TILE, units) {
            let mut top = most[row];
            for key in 0..TILE {
                top = top.max(scores[row * SCORES + key]);
            }
            let factor = (most[row] - top).exp();
            let mut sum = total[row] * factor;
            for key in 0..TILE {
                let weight = (scores[row * SCORES + key] - top).exp();
                scores[row * SCORES + key] = weight;
                sum += weight;
            }
            most[row] = top;
            total[row] = sum;
            shrink[row] = factor;
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

/// As [`kernels::attend`](crate::kernels::attention::attend), for rows of a multiple of 16
/// numbers; `None` where the tensors are of another device.
pub fn attend(
    [queries, keys, values]: [&Burn<2>; 3],
    [query_rows, key_rows]: [&Burn<1, Int>; 2],
    windows: usize,
    scale: f64,
) -> Option<Burn<3>> {
    let size = queries.dims()[1];
    let [count, length] = [query_rows, key_rows].map(|rows| rows.dims()[0] / windows);
    let (queries, keys, values) = (tensor(queries)?, tensor(keys)?, tensor(values)?);
    let (query_rows, key_rows) = (indices(query_rows)?, indices(key_rows)?);
    let out = room(&queries, [windows, count, size]);
    let units = together(&queries, LANES * LANES);
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
        numbers(&queries),
    );
    Some(Burn::from_primitive::<Cube>(out))
}
