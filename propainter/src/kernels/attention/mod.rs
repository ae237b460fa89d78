//! Scaled dot-product attention over a batch of windows and heads (spec section 6).

#[cfg(feature = "training")]
mod backward;
pub mod cpu;
mod cube;
pub mod windows;

use burn::tensor::{Int, Tensor, activation};

use self::windows::DeviceWindowLists;
use super::{flops, upcast::in_f32};

/// Largest number of scores that the reference form holds at once.
const SCORES: usize = 1 << 24;

/// Computes softmax(q kᵀ · `scale`) v for each entry of the batch.
///
/// - `q`: `[B, Q, D]`
/// - `k`, `v`: `[B, K, D]`, K at least 1
///
/// Returns `[B, Q, D]`.
pub fn attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, scale: f64) -> Tensor<3> {
    let ([batch, queries, size], keys) = (q.dims(), k.dims()[1]);
    // The scores, and the weighted sums of the values.
    flops::count(2 * batch * queries * keys * size);
    cpu::attention(&q, &k, &v, scale).unwrap_or_else(|| attention_reference(q, k, v, scale))
}

/// Computes [`attention`] of gathered rows. Each window takes its queries from the rows of a table
/// that `query_rows` lists for it, and its keys and values from those that `key_rows` lists.
///
/// - `queries`: `[rows, D]`
/// - `keys`, `values`: `[rows, D]`
/// - `query_rows`: `[windows · Q]`, window after window
/// - `key_rows`: `[windows · K]`, window after window, K at least 1
///
/// Returns `[windows, Q, D]`.
pub fn gathered_attention(
    [queries, keys, values]: [&Tensor<2>; 3],
    [query_rows, key_rows]: [&Tensor<1, Int>; 2],
    windows: usize,
    scale: f64,
) -> Tensor<3> {
    #[cfg(feature = "training")]
    if queries.is_autodiff() {
        let tables = [queries, keys, values];
        return backward::gathered_attention(tables, [query_rows, key_rows], windows, scale);
    }
    let size = queries.dims()[1];
    let gather = |table: &Tensor<2>, rows: &Tensor<1, Int>| {
        let count = rows.dims()[0] / windows;
        let gathered = table.clone().select(0, rows.clone());
        gathered.reshape([windows, count, size])
    };
    let q = gather(queries, query_rows);
    attention(q, gather(keys, key_rows), gather(values, key_rows), scale)
}

/// Computes softmax(q kᵀ · `scale`) v in each window of `lists` and for each head, on a GPU.
///
/// - `table`: `[rows, 3 · heads · D]`: queries, keys and values of all heads, D a multiple of 16
/// - `results`: the number of rows of the result; a row that no window writes is not defined
///
/// Returns `[results, heads · D]`, or `None` unless the tensors are on a CubeCL device.
pub fn windowed_attention(
    table: &Tensor<2>,
    lists: &DeviceWindowLists,
    results: usize,
    heads: usize,
    scale: f64,
) -> Option<Tensor<2>> {
    cube::windowed_attention(table, lists, results, heads, scale)
}

/// Computes [`attention`] in tensor operations, a part of the batch at a time, so that the memory
/// of the scores stays bounded.
pub fn attention_reference(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, scale: f64) -> Tensor<3> {
    let [batch, queries, _] = q.dims();
    let keys = k.dims()[1];
    let tile = (SCORES / (queries * keys)).clamp(1, batch);
    let q = q * scale;
    let tiles = (0..batch).step_by(tile).map(|start| {
        let part = |all: &Tensor<3>| all.clone().narrow(0, start, tile.min(batch - start));
        let scores = part(&q).matmul(part(&k).swap_dims(1, 2)); // [tile, Q, K]
        in_f32(scores, |scores| activation::softmax(scores, 2)).matmul(part(&v))
    });
    Tensor::cat(tiles.collect(), 0)
}
