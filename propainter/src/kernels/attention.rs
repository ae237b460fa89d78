//! Scaled dot-product attention over a batch of windows and heads.

use burn::tensor::{Tensor, activation};

use super::{attention_cpu, wide::widened, work};

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
