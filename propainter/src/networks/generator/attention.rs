//! Attention in windows, over time in windows that contain mask pixels (spec section 6).

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{
    CHANNELS,
    attention_plan::{AttentionPlan, BlockScope, WindowBatch},
    token_grid::{POOL, TokenGrid},
};
use crate::{
    kernels::{
        attention::gathered_attention,
        upcast::{in_f32, upcast},
    },
    networks::layers::{Linear, parameter},
    weights::Checkpoint,
};

/// Heads of the attention.
const HEADS: usize = 4;
/// Channels of a head.
const HEAD: usize = CHANNELS / HEADS;

/// An [`AttentionPlan`] on the device. Blocks with the same scope share it.
#[derive(Debug)]
pub struct DeviceAttentionPlan {
    grid: TokenGrid,
    scope: BlockScope,
    key_frames: Tensor<1, Int>,
    query_frames: Tensor<1, Int>,
    key_tokens: Tensor<1, Int>,
    batches: Vec<DeviceWindowBatch>,
    answers: Tensor<1, Int>,
}

/// A [`WindowBatch`] on the device, by heads: rows of tables `[rows · HEADS, HEAD]`.
#[derive(Debug)]
struct DeviceWindowBatch {
    windows: usize,
    queries: Tensor<1, Int>,
    keys: Option<Tensor<1, Int>>,
}

impl DeviceAttentionPlan {
    /// Plans the attention of a block and moves the plan to `device`. `masked` says for each token
    /// whether its patch contains mask pixels of a local frame.
    pub fn new(grid: TokenGrid, scope: &BlockScope, masked: &[bool], device: &Device) -> Self {
        let plan = AttentionPlan::new(grid, scope, masked);
        let batches = plan.batches.iter();
        let batches = batches.map(|batch| DeviceWindowBatch::new(batch, device));
        // Results are ordered by windows and heads, too.
        let mut placed = Vec::new();
        for batch in &plan.batches {
            let base = placed.len() * HEADS;
            let length = batch.queries.len() / batch.windows;
            placed.extend((0..batch.queries.len()).map(|i| {
                let (window, place) = (i / length, i % length);
                (base + window * HEADS * length + place, length)
            }));
        }
        let answers = plan.answers.iter().flat_map(|&answer| {
            let (first, length) = placed[answer];
            (0..HEADS).map(move |head| first + head * length)
        });
        Self {
            grid,
            scope: scope.clone(),
            key_frames: indices(scope.keys.iter().copied(), device),
            query_frames: indices(scope.queries.iter().copied(), device),
            key_tokens: indices(plan.key_tokens.iter().copied(), device),
            batches: batches.collect(),
            answers: indices(answers, device),
        }
    }

    /// Returns the scope of the blocks that share the plan.
    pub fn scope(&self) -> &BlockScope {
        &self.scope
    }

    /// Returns the queried tokens of `x` `[frames, rows, columns, …]`, those of the output.
    pub fn queried(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.scope.tokens.crop(x, 1, &self.grid.whole());
        if self.scope.queries.len() == self.scope.frames {
            x
        } else {
            x.select(0, self.query_frames.clone())
        }
    }
}

impl DeviceWindowBatch {
    fn new(batch: &WindowBatch, device: &Device) -> Self {
        let by_heads = |rows: &[usize]| {
            let windows = rows.chunks_exact(rows.len() / batch.windows);
            let rows = windows.flat_map(|window| {
                let heads = 0..HEADS;
                heads.flat_map(move |head| window.iter().map(move |row| row * HEADS + head))
            });
            indices(rows, device)
        };
        Self {
            windows: batch.windows,
            queries: by_heads(&batch.queries),
            keys: (!batch.keys.is_empty()).then(|| by_heads(&batch.keys)),
        }
    }
}

/// Returns row indices as a tensor.
fn indices(rows: impl Iterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i32> = rows.map(|row| row as i32).collect();
    let length = rows.len();
    Tensor::from_data(TensorData::new(rows, [length]), device)
}

/// The attention of a transformer block.
#[derive(Debug)]
pub struct WindowAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    projection: Linear,
    /// The weight of the pooling, `[1, 4, 1, 4, 512]`, in 32 bits, as its bias is.
    pool: Tensor<5>,
    pool_bias: Tensor<1>,
}

impl WindowAttention {
    /// Reads `{key}.*`.
    pub fn init(checkpoint: &Checkpoint, key: &str, device: &Device) -> Self {
        let linear = |name: &str| Linear::init(checkpoint, &format!("{key}.{name}"), device);
        let pool: Tensor<4> = parameter(checkpoint, &format!("{key}.pool_layer.weight"), device);
        Self {
            query: linear("query"),
            key: linear("key"),
            value: linear("value"),
            projection: linear("proj"),
            pool: upcast(pool)
                .permute([1, 2, 3, 0])
                .reshape([1, POOL, 1, POOL, CHANNELS]),
            pool_bias: upcast(parameter(
                checkpoint,
                &format!("{key}.pool_layer.bias"),
                device,
            )),
        }
    }

    /// Computes the queried tokens from normalised tokens `[frames, rows, columns, 512]`.
    pub fn forward(&self, x: Tensor<4>, plan: &DeviceAttentionPlan) -> Tensor<4> {
        let queries = plan.queried(x.clone());
        let shape = queries.dims();
        let queries = heads(self.query.forward(table(queries)));
        let key_input = self.key_input(x, plan);
        let keys = heads(self.key.forward(key_input.clone()));
        let values = heads(self.value.forward(key_input));

        let answers = plan.batches.iter().map(|batch| {
            let rows = batch.queries.dims()[0];
            match &batch.keys {
                Some(key_rows) => {
                    let tables = [&queries, &keys, &values];
                    let scale = 1.0 / (HEAD as f64).sqrt();
                    let rows_read = [&batch.queries, key_rows];
                    gathered_attention(tables, rows_read, batch.windows * HEADS, scale)
                        .reshape([rows, HEAD])
                }
                None => Tensor::zeros([rows, HEAD], (&queries.device(), queries.dtype())),
            }
        });
        let answers = Tensor::cat(answers.collect(), 0).select(0, plan.answers.clone());
        self.projection.forward(answers.reshape(shape))
    }

    /// Returns the rows that keys and values are computed from: pooled tokens, one padding token, and
    /// tokens.
    fn key_input(&self, x: Tensor<4>, plan: &DeviceAttentionPlan) -> Tensor<2> {
        let tokens = table(x.clone()).select(0, plan.key_tokens.clone());
        let padding = Tensor::zeros([1, CHANNELS], (&x.device(), x.dtype()));
        let mut parts = vec![padding, tokens];
        if !plan.scope.keys.is_empty() {
            let frames = x.select(0, plan.key_frames.clone());
            parts.insert(0, self.pool(frames, plan.grid));
        }
        Tensor::cat(parts, 0)
    }

    /// Returns the pooled tokens of frames `[frames, rows, columns, 512]`.
    fn pool(&self, x: Tensor<4>, grid: TokenGrid) -> Tensor<2> {
        let frames = x.dims()[0];
        let [rows, columns] = grid.pooled();
        let (full_rows, full_columns) = (rows * POOL, columns * POOL);
        let (kept_rows, kept_columns) = (grid.rows.min(full_rows), grid.columns.min(full_columns));
        let kept = x.narrow(1, 0, kept_rows).narrow(2, 0, kept_columns);
        let below = full_rows - kept_rows;
        let right = full_columns - kept_columns;
        let padded = if below + right > 0 {
            kept.pad([(0, below), (0, right), (0, 0)], 0.0)
        } else {
            kept
        };
        let squares = padded.reshape([frames * rows, POOL, columns, POOL, CHANNELS]);
        in_f32(squares, |squares| {
            let pooled = (squares * self.pool.clone()).sum_dim(3).sum_dim(1);
            pooled.reshape([frames * rows * columns, CHANNELS]) + self.pool_bias.clone().unsqueeze()
        })
    }
}

/// Returns `[…, 512]` as rows.
fn table<const D: usize>(x: Tensor<D>) -> Tensor<2> {
    x.flatten(0, D - 2)
}

/// Splits rows of 512 elements into rows of single heads.
fn heads(x: Tensor<2>) -> Tensor<2> {
    let rows = x.dims()[0];
    x.reshape([rows * HEADS, HEAD])
}
