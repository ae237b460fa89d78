//! Scaled dot-product attention over a batch of windows and heads (spec section 6).

pub mod cpu;
pub mod cube;
pub mod windows;

use burn::tensor::{Int, Tensor, activation};

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
/// - `queries`: `[rows, D]`, D a multiple of 16
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
    let tables = [queries, keys, values];
    let rows = [query_rows, key_rows];
    match cube::gathered_attention(tables, rows, windows, scale) {
        Some(answers) => {
            let count = key_rows.dims()[0] / windows;
            flops::count(2 * count * query_rows.dims()[0] * queries.dims()[1]);
            answers
        }
        None => gathered_attention_reference(tables, rows, windows, scale),
    }
}

/// Computes [`gathered_attention`] by gathering the rows first.
pub fn gathered_attention_reference(
    [queries, keys, values]: [&Tensor<2>; 3],
    [query_rows, key_rows]: [&Tensor<1, Int>; 2],
    windows: usize,
    scale: f64,
) -> Tensor<3> {
    let size = queries.dims()[1];
    let gather = |table: &Tensor<2>, rows: &Tensor<1, Int>| {
        let count = rows.dims()[0] / windows;
        let gathered = table.clone().select(0, rows.clone());
        gathered.reshape([windows, count, size])
    };
    let q = gather(queries, query_rows);
    attention(q, gather(keys, key_rows), gather(values, key_rows), scale)
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
