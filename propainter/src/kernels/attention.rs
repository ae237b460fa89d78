//! Scaled dot-product attention over a batch of windows and heads.

use burn::tensor::{Int, Tensor, activation};

use super::{attention_cpu, cube, wide::widened, work};

/// Most scores that exist at once.
const SCORES: usize = 1 << 24;

/// softmax(q kᵀ · `scale`) v, batch by batch.
///
/// - `q`: `[B, Q, D]`
/// - `k`, `v`: `[B, K, D]`, K at least 1
///
/// Result `[B, Q, D]`.
pub fn attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, scale: f64) -> Tensor<3> {
    let ([batch, queries, size], keys) = (q.dims(), k.dims()[1]);
    // The scores, and the values' mean.
    work::count(2 * batch * queries * keys * size);
    attention_cpu::attention(&q, &k, &v, scale).unwrap_or_else(|| attention_plain(q, k, v, scale))
}

/// As [`attention`], of chosen rows: windows that follow each other in `query_rows` and
/// `key_rows`, each with as many rows of the tables.
///
/// - `queries`: `[rows, D]`, D a multiple of 16
/// - `keys`, `values`: `[rows, D]`
/// - `query_rows`: `[windows · Q]`, `key_rows`: `[windows · K]`, K at least 1
///
/// Result `[windows, Q, D]`.
pub fn attend(
    [queries, keys, values]: [&Tensor<2>; 3],
    [query_rows, key_rows]: [&Tensor<1, Int>; 2],
    windows: usize,
    scale: f64,
) -> Tensor<3> {
    let tables = [queries, keys, values];
    let rows = [query_rows, key_rows];
    match cube::attention::attend(tables, rows, windows, scale) {
        Some(answers) => {
            let count = key_rows.dims()[0] / windows;
            work::count(2 * count * query_rows.dims()[0] * queries.dims()[1]);
            answers
        }
        None => attend_plain(tables, rows, windows, scale),
    }
}

/// The twin of [`attend`] that gathers the rows first.
pub fn attend_plain(
    [queries, keys, values]: [&Tensor<2>; 3],
    [query_rows, key_rows]: [&Tensor<1, Int>; 2],
    windows: usize,
    scale: f64,
) -> Tensor<3> {
    let size = queries.dims()[1];
    let pick = |table: &Tensor<2>, rows: &Tensor<1, Int>| {
        let count = rows.dims()[0] / windows;
        let picked = table.clone().select(0, rows.clone());
        picked.reshape([windows, count, size])
    };
    let q = pick(queries, query_rows);
    attention(q, pick(keys, key_rows), pick(values, key_rows), scale)
}

/// The plain twin of [`attention`], in tiles of the batch so that scores stay bounded.
pub fn attention_plain(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, scale: f64) -> Tensor<3> {
    let [batch, queries, _] = q.dims();
    let keys = k.dims()[1];
    let tile = (SCORES / (queries * keys)).clamp(1, batch);
    let q = q * scale;
    let tiles = (0..batch).step_by(tile).map(|start| {
        let part = |all: &Tensor<3>| all.clone().narrow(0, start, tile.min(batch - start));
        let scores = part(&q).matmul(part(&k).swap_dims(1, 2)); // [tile, Q, K]
        widened(scores, |scores| activation::softmax(scores, 2)).matmul(part(&v))
    });
    Tensor::cat(tiles.collect(), 0)
}
