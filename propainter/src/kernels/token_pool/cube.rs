//! The GPU form of pooling. It writes to the table that it reads from, so that pooled tokens are not
//! copied there.

use burn::tensor::{Int, Tensor as Burn};
use burn_cubecl::{
    Cube,
    cubecl::{self, ir::ElemType, prelude::*},
};

use super::{POOL, PoolGrid};
use crate::kernels::cube::{cube_tensor, elem_type, index_tensor, launch_size};

#[cube(launch)]
fn pool_kernel<F: Float>(
    table: &mut Tensor<F>,
    frames: &Tensor<i32>,
    weight: &Tensor<f32>,
    bias: &Tensor<f32>,
    count: usize,
    size: usize,
    rows: usize,
    columns: usize,
    pooled_rows: usize,
    pooled_columns: usize,
    #[define(F)] _elem: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let (place, channel) = (ABSOLUTE_POS / size, ABSOLUTE_POS % size);
    let each = pooled_rows * pooled_columns;
    let (frame, square) = (frames[place / each] as usize, place % each);
    let top = square / pooled_columns * POOL;
    let left = square % pooled_columns * POOL;
    let mut sum = bias[channel];
    for tap in 0..comptime!(POOL * POOL) {
        let (row, column) = (top + tap / POOL, left + tap % POOL);
        if row < rows && column < columns {
            let token = (frame * rows + row) * columns + column;
            sum += f32::cast_from(table[token * size + channel]) * weight[tap * size + channel];
        }
    }
    let first = table.len() - count;
    table[first + ABSOLUTE_POS] = F::cast_from(sum);
}

/// Computes [`pool_in_table`](super::pool_in_table).
pub fn pool_in_table(
    table: Burn<2>,
    frames: &Burn<1, Int>,
    weight: &Burn<5>,
    bias: &Burn<1>,
    grid: PoolGrid,
) -> Option<Burn<2>> {
    let [_, size] = table.dims();
    let PoolGrid { tokens, pooled } = grid;
    let count = frames.dims()[0] * pooled[0] * pooled[1] * size;
    let mut own = cube_tensor(&table)?;
    drop(table);
    if !own.can_mut() {
        own = own.copy();
    }
    let (weight, bias) = (cube_tensor(weight)?, cube_tensor(bias)?);
    let (cubes, dim) = launch_size(&own, count);
    pool_kernel::launch(
        &own.client,
        cubes,
        dim,
        own.clone().into_tensor_arg(),
        index_tensor(frames)?.into_tensor_arg(),
        weight.into_tensor_arg(),
        bias.into_tensor_arg(),
        count,
        size,
        tokens[0],
        tokens[1],
        pooled[0],
        pooled[1],
        elem_type(&own),
    );
    Some(Burn::from_primitive::<Cube>(own))
}
