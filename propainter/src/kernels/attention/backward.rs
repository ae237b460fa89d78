//! The backward pass of gathered attention. Only the tables are kept: what is gathered, and the scores,
//! are computed again, some windows at a time.

use burn::tensor::{IndexingUpdateOp, Int, Tensor, activation};

use super::SCORES;
use crate::kernels::{recorded::record, upcast::upcast};

/// Computes [`gathered_attention`](super::gathered_attention) on a device that records operations.
pub fn gathered_attention(
    [queries, keys, values]: [&Tensor<2>; 3],
    rows: [&Tensor<1, Int>; 2],
    windows: usize,
    scale: f64,
) -> Tensor<3> {
    let tables = [queries, keys, values].map(|table| table.clone().inner());
    let rows = rows.map(|rows| rows.clone().inner());
    let output = super::gathered_attention(tables.each_ref(), rows.each_ref(), windows, scale);
    let inputs = [queries.into(), keys.into(), values.into()];
    record(inputs, output, move |gradient, inputs| {
        let gradients = table_gradients(&tables, &rows, gradient, scale);
        for (index, gradient) in gradients.into_iter().enumerate() {
            inputs.add(index, || gradient);
        }
    })
}

/// Returns the gradients of the tables of queries, keys and values. `gradient` `[windows, Q, D]` is that
/// of the output.
fn table_gradients(
    tables: &[Tensor<2>; 3],
    [query_rows, key_rows]: &[Tensor<1, Int>; 2],
    gradient: Tensor<3>,
    scale: f64,
) -> [Tensor<2>; 3] {
    let [windows, queries, size] = gradient.dims();
    let keys = key_rows.dims()[0] / windows;
    let [q, k, v] = tables;
    let mut sums = tables.each_ref().map(|table| upcast(table.zeros_like()));
    let tile = (SCORES / (queries * keys)).clamp(1, windows);
    for start in (0..windows).step_by(tile) {
        let count = tile.min(windows - start);
        let part =
            |rows: &Tensor<1, Int>, each: usize| rows.clone().narrow(0, start * each, count * each);
        let [query_rows, key_rows] = [part(query_rows, queries), part(key_rows, keys)];
        let gather = |table: &Tensor<2>, rows: &Tensor<1, Int>| {
            let gathered = upcast(table.clone().select(0, rows.clone()));
            gathered.reshape([count as i64, -1, size as i64])
        };
        let q: Tensor<3> = gather(q, &query_rows) * scale;
        let k: Tensor<3> = gather(k, &key_rows);
        let v: Tensor<3> = gather(v, &key_rows);
        let gradient = upcast(gradient.clone().narrow(0, start, count));
        let weights = activation::softmax(q.clone().matmul(k.clone().swap_dims(1, 2)), 2);
        let value_gradient = weights.clone().swap_dims(1, 2).matmul(gradient.clone());
        let slopes = gradient.matmul(v.swap_dims(1, 2));
        let mean = (weights.clone() * slopes.clone()).sum_dim(2);
        let scores = weights * (slopes - mean);
        let query_gradient = scores.clone().matmul(k) * scale;
        let key_gradient = scores.swap_dims(1, 2).matmul(q);
        let found = [query_gradient, key_gradient, value_gradient];
        let rows = [&query_rows, &key_rows, &key_rows];
        let mut parts = found.into_iter().zip(rows);
        sums = sums.map(|sum| match parts.next() {
            Some((part, rows)) => {
                let part = part.reshape([-1, size as i64]);
                sum.select_assign(0, rows.clone(), part, IndexingUpdateOp::Add)
            }
            None => sum,
        });
    }
    sums
}
