//! The CPU form of attention: block by block over the keys with a running maximum, so that a block
//! of scores never leaves the cache.
//!
//! Scores are stored key by key, [`QUERIES`] queries side by side. The first product writes them in
//! this order, softmax runs over them in whole vectors, and the second product reads them so.

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::{
    device::isa::{Isa, Job},
    kernels::{
        activation::Activation,
        cpu::{
            host_view::HostView,
            math, micro_kernel,
            panels::{ROWS, interleave},
        },
    },
};

/// Queries of one task.
const QUERIES: usize = 48;

/// Keys of one block.
const KEYS: usize = 512;

/// Computes [`attention`](super::attention); returns `None` unless all tensors are on the CPU device.
///
/// # Panics
/// Panics if the shapes do not match.
pub fn attention(q: &Tensor<3>, k: &Tensor<3>, v: &Tensor<3>, scale: f64) -> Option<Tensor<3>> {
    let [batches, _, features] = q.dims();
    let keys = k.dims()[1];
    assert_eq!(k.dims(), [batches, keys, features]);
    assert_eq!(v.dims(), [batches, keys, features]);
    let views = (HostView::of(q)?, HostView::of(k)?, HostView::of(v)?);
    let (q_view, k, v) = (views.0.slice(), views.1.slice(), views.2.slice());
    let out = attention_slices([q_view, k, v], batches, features, scale as f32, Isa::best());
    Some(views.0.tensor(out, q.dims()))
}

/// Computes [`attention`] on slices, with a given instruction set. `q` holds `batches` matrices with
/// rows of `features` elements; so do `k` and `v`.
pub fn attention_slices(
    [q, k, v]: [&[f32]; 3],
    batches: usize,
    features: usize,
    scale: f32,
    isa: Isa,
) -> Vec<f32> {
    let mut out = vec![0.0; q.len()];
    if out.is_empty() {
        return out;
    }
    let (queries, keys) = (q.len() / batches, k.len() / batches);
    q.par_chunks(queries)
        .zip(k.par_chunks(keys).zip(v.par_chunks(keys)))
        .zip(out.par_chunks_mut(queries))
        .with_max_len(1)
        .for_each_init(
            PackedKeysAndValues::default,
            |packed, ((q, (k, v)), out)| {
                packed.pack(k, v, features);
                let task = |block: &mut QueryBlock, (q, out): (&[f32], &mut [f32])| {
                    block.attend(packed, q, scale, out, isa);
                };
                let len = QUERIES * features;
                if batches < rayon::current_num_threads() {
                    q.par_chunks(len)
                        .zip(out.par_chunks_mut(len))
                        .for_each_init(|| QueryBlock::new(features), task);
                } else {
                    let mut block = QueryBlock::new(features);
                    for part in q.chunks(len).zip(out.chunks_mut(len)) {
                        task(&mut block, part);
                    }
                }
            },
        );
    out
}

/// The keys and values of one batch entry, padded with zeros to whole blocks of [`ROWS`].
#[derive(Default)]
struct PackedKeysAndValues {
    /// For each [`ROWS`] keys: feature × key.
    keys: Vec<f32>,
    /// For each [`ROWS`] features: key × feature.
    values: Vec<f32>,
    count: usize,
    features: usize,
}

impl PackedKeysAndValues {
    fn pack(&mut self, k: &[f32], v: &[f32], features: usize) {
        self.features = features;
        self.count = k.len() / features;
        let padded = self.count.next_multiple_of(ROWS);
        self.keys.clear();
        self.keys.resize(padded * features, 0.0);
        let blocks = self.keys.chunks_exact_mut(ROWS * features);
        for (k, packed) in k.chunks(ROWS * features).zip(blocks) {
            interleave(k, features, 0, packed);
        }
        self.values.clear();
        self.values
            .resize(self.count * features.next_multiple_of(ROWS), 0.0);
        let panels = self.values.chunks_exact_mut(ROWS * self.count);
        for (index, panel) in panels.enumerate() {
            let first = index * ROWS;
            let width = ROWS.min(features - first);
            for (row, v) in panel.chunks_exact_mut(ROWS).zip(v.chunks_exact(features)) {
                row[..width].copy_from_slice(&v[first..first + width]);
            }
        }
    }
}

/// The memory of one block of queries.
struct QueryBlock {
    /// Feature × query, scaled.
    queries: Vec<f32>,
    /// Key × query, of one block of keys.
    scores: Vec<f32>,
    /// Feature × query.
    sums: Vec<f32>,
    /// The offset of the queries of each feature, or key.
    offsets: Vec<u32>,
    /// For each query, its largest score so far, and its sum of exponentials relative to that score.
    most: [f32; QUERIES],
    total: [f32; QUERIES],
}

impl QueryBlock {
    fn new(features: usize) -> Self {
        let longest = KEYS.max(features) as u32;
        Self {
            queries: vec![0.0; features * QUERIES],
            scores: vec![0.0; KEYS * QUERIES],
            sums: vec![0.0; features.next_multiple_of(ROWS) * QUERIES],
            offsets: (0..longest).map(|i| i * QUERIES as u32).collect(),
            most: [0.0; QUERIES],
            total: [0.0; QUERIES],
        }
    }

    fn attend(
        &mut self,
        packed: &PackedKeysAndValues,
        q: &[f32],
        scale: f32,
        out: &mut [f32],
        isa: Isa,
    ) {
        let features = packed.features;
        for (query, q) in q.chunks_exact(features).enumerate() {
            for (row, value) in self.queries.chunks_exact_mut(QUERIES).zip(q) {
                row[query] = value * scale;
            }
        }
        self.most = [f32::NEG_INFINITY; QUERIES];
        self.total = [0.0; QUERIES];
        self.sums.fill(0.0);
        for start in (0..packed.count).step_by(KEYS) {
            let count = KEYS.min(packed.count - start);
            self.score(packed, start, count, isa);
            isa.run(Softmax {
                scores: self.scores[..count * QUERIES].as_chunks_mut().0,
                sums: self.sums.as_chunks_mut().0,
                most: &mut self.most,
                total: &mut self.total,
            });
            self.mix(packed, start, count, isa);
        }
        for (query, out) in out.chunks_exact_mut(features).enumerate() {
            for (value, sums) in out.iter_mut().zip(self.sums.chunks_exact(QUERIES)) {
                *value = sums[query] / self.total[query];
            }
        }
    }

    /// Computes the scores of `count` keys from `start` on.
    fn score(&mut self, packed: &PackedKeysAndValues, start: usize, count: usize, isa: Isa) {
        let features = packed.features;
        let keys = &packed.keys[start * features..];
        let blocks = keys.chunks_exact(ROWS * features);
        let scores = self.scores.chunks_exact_mut(ROWS * QUERIES);
        for (keys, scores) in blocks.zip(scores).take(count.div_ceil(ROWS)) {
            product(
                keys,
                &self.queries,
                &self.offsets[..features],
                scores,
                isa,
                true,
            );
        }
    }

    /// Adds the values of `count` keys from `start` on, weighted by their scores.
    fn mix(&mut self, packed: &PackedKeysAndValues, start: usize, count: usize, isa: Isa) {
        let panels = packed.values.chunks_exact(ROWS * packed.count);
        let sums = self.sums.chunks_exact_mut(ROWS * QUERIES);
        for (values, sums) in panels.zip(sums) {
            let values = &values[start * ROWS..][..count * ROWS];
            product(
                values,
                &self.scores,
                &self.offsets[..count],
                sums,
                isa,
                false,
            );
        }
    }
}

/// Computes [`ROWS`] rows of `a` times [`QUERIES`] columns of `b`. The product replaces `out` if it
/// is `fresh`, and is added to it otherwise.
fn product(a: &[f32], b: &[f32], offsets: &[u32], out: &mut [f32], isa: Isa, fresh: bool) {
    let mut tile = [[[0.0; 16]; QUERIES / 16]; ROWS];
    if !fresh {
        tile.as_flattened_mut()
            .as_flattened_mut()
            .copy_from_slice(out);
    }
    let a = a.as_chunks::<ROWS>().0;
    micro_kernel::multiply(isa, a, b, offsets, Activation::None, &mut tile);
    out.copy_from_slice(tile.as_flattened().as_flattened());
}

/// Turns one block of scores into weights, and scales the earlier sums to the new maximum.
struct Softmax<'a> {
    scores: &'a mut [[f32; QUERIES]],
    sums: &'a mut [[f32; QUERIES]],
    most: &'a mut [f32; QUERIES],
    total: &'a mut [f32; QUERIES],
}

impl Job for Softmax<'_> {
    #[inline(always)]
    fn run(self) {
        let mut most = *self.most;
        for scores in &*self.scores {
            for (most, &score) in most.iter_mut().zip(scores) {
                *most = if score > *most { score } else { *most };
            }
        }
        let mut factor = [0.0; QUERIES];
        for query in 0..QUERIES {
            factor[query] = math::exp(self.most[query] - most[query]);
        }
        let mut total = *self.total;
        for (total, factor) in total.iter_mut().zip(&factor) {
            *total *= factor;
        }
        for scores in self.scores {
            for ((score, most), total) in scores.iter_mut().zip(&most).zip(&mut total) {
                *score = math::exp(*score - most);
                *total += *score;
            }
        }
        for sums in self.sums {
            for (sum, factor) in sums.iter_mut().zip(&factor) {
                *sum *= factor;
            }
        }
        *self.most = most;
        *self.total = total;
    }
}
