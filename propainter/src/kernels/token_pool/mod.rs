//! Pooling of tokens: a weighted sum of each square of 4×4 tokens, channel by channel (spec
//! section 6).

pub mod cube;

use burn::tensor::{Int, Tensor};

use super::upcast::in_f32;

/// Side of the squares of tokens that are pooled to one token.
pub const POOL: usize = 4;

/// The sizes of the grids of tokens and of pooled tokens, rows before columns. The grid ends with
/// zeros where the pooled tokens reach beyond it.
#[derive(Clone, Copy, Debug)]
pub struct PoolGrid {
    /// Rows and columns of tokens.
    pub tokens: [usize; 2],
    /// Rows and columns of pooled tokens.
    pub pooled: [usize; 2],
}

/// Pools the tokens of all frames.
///
/// - `x`: `[frames, rows, columns, C]`
/// - `weight`: `[1, 4, 1, 4, C]`, `bias`: `[C]`, both in 32 bits
///
/// Returns `[frames · pooled, C]`.
pub fn pool_reference(
    x: Tensor<4>,
    weight: &Tensor<5>,
    bias: &Tensor<1>,
    grid: PoolGrid,
) -> Tensor<2> {
    let [frames, _, _, channels] = x.dims();
    let [rows, columns] = grid.pooled;
    let (full_rows, full_columns) = (rows * POOL, columns * POOL);
    let kept_rows = grid.tokens[0].min(full_rows);
    let kept_columns = grid.tokens[1].min(full_columns);
    let kept = x.narrow(1, 0, kept_rows).narrow(2, 0, kept_columns);
    let below = full_rows - kept_rows;
    let right = full_columns - kept_columns;
    let padded = if below + right > 0 {
        kept.pad([(0, below), (0, right), (0, 0)], 0.0)
    } else {
        kept
    };
    let squares = padded.reshape([frames * rows, POOL, columns, POOL, channels]);
    in_f32(squares, |squares| {
        let pooled = (squares * weight.clone()).sum_dim(3).sum_dim(1);
        pooled.reshape([frames * rows * columns, channels]) + bias.clone().unsqueeze()
    })
}

/// Pools the tokens of some frames of a table and writes them to its last rows.
///
/// - `table`: `[rows, C]`: the tokens of all frames, frame by frame, then other rows, then one for
///   each pooled token of the frames `frames`
/// - `frames`: frame indices
/// - `weight`, `bias`: as in [`pool_reference`]
///
/// Returns the table, or `None` unless all tensors are on a CubeCL device.
pub fn pool_in_table(
    table: Tensor<2>,
    frames: &Tensor<1, Int>,
    weight: &Tensor<5>,
    bias: &Tensor<1>,
    grid: PoolGrid,
) -> Option<Tensor<2>> {
    cube::pool_in_table(table, frames, weight, bias, grid)
}
