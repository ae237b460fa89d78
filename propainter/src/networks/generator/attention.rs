//! Attention in windows, over time in windows that contain mask pixels (spec section 6).

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{
    CHANNELS,
    attention_plan::{AttentionPlan, BlockScope, WindowBatch, window_lists},
    token_grid::{POOL, TokenGrid},
};
use crate::{
    kernels::{
        attention::{gathered_attention, windowed_attention, windows::DeviceWindowLists},
        device::by_operations,
        token_pool::{PoolGrid, pool_in_table, pool_reference},
        upcast::upcast,
    },
    networks::{
        layers::Linear,
        parameters::{ParameterSource, parameter},
    },
};

/// Heads of the attention.
const HEADS: usize = 4;
/// Channels of a head.
const HEAD: usize = CHANNELS / HEADS;

/// The plan of a block's attention on the device. Blocks with the same scope share it.
#[derive(Debug)]
pub struct DeviceAttentionPlan {
    grid: TokenGrid,
    scope: BlockScope,
    key_frames: Tensor<1, Int>,
    query_frames: Tensor<1, Int>,
    windows: Windows,
}

/// The windows of a plan.
#[derive(Debug)]
enum Windows {
    /// On the CPU, tables of queries, of keys and of values are gathered from.
    Batches(Box<Batches>),
    /// On a GPU, one kernel computes all windows from one table.
    Lists(Box<DeviceWindowLists>),
}

/// An [`AttentionPlan`] on the device.
#[derive(Debug)]
struct Batches {
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
        Self {
            grid,
            scope: scope.clone(),
            key_frames: indices(scope.keys.iter().copied(), device),
            query_frames: indices(scope.queries.iter().copied(), device),
            windows: if by_operations(device) {
                let plan = AttentionPlan::new(grid, scope, masked);
                Windows::Batches(Box::new(Batches::new(&plan, device)))
            } else {
                let lists = window_lists(grid, scope, masked);
                Windows::Lists(Box::new(DeviceWindowLists::new(&lists, device)))
            },
        }
    }

    /// Returns the scope of the blocks that share the plan.
    pub fn scope(&self) -> &BlockScope {
        &self.scope
    }

    /// Returns the rows that the table of normalised tokens has after the tokens: on a GPU, one for
    /// the padding, which is zero, and those of the pooled tokens.
    pub fn spare_rows(&self) -> usize {
        match &self.windows {
            Windows::Batches(_) => 0,
            Windows::Lists(_) => {
                let [rows, columns] = self.grid.pooled();
                1 + self.scope.keys.len() * rows * columns
            }
        }
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

impl Batches {
    /// Moves a plan to a device.
    fn new(plan: &AttentionPlan, device: &Device) -> Self {
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
            key_tokens: indices(plan.key_tokens.iter().copied(), device),
            batches: batches.collect(),
            answers: indices(answers, device),
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
    inputs: Inputs,
    projection: Linear,
    /// The weight of the pooling, `[1, 4, 1, 4, 512]`, in 32 bits, as its bias is.
    pool: Tensor<5>,
    pool_bias: Tensor<1>,
}

/// The layers that compute queries, keys and values.
#[derive(Debug)]
enum Inputs {
    /// Queries, keys and values each from the rows that need them, on the CPU.
    Separate(Box<[Linear; 3]>),
    /// All three from every row, on a GPU.
    Joined(Box<Linear>),
}

impl WindowAttention {
    /// Reads `{key}.*`.
    pub fn init(source: &dyn ParameterSource, key: &str, device: &Device) -> Self {
        let linear = |name: &str| Linear::init(source, &format!("{key}.{name}"), device);
        let pool: Tensor<4> = parameter(source, &format!("{key}.pool_layer.weight"), device);
        let names = ["query", "key", "value"];
        Self {
            inputs: if by_operations(device) {
                Inputs::Separate(Box::new(names.map(linear)))
            } else {
                let keys = names.map(|name| format!("{key}.{name}"));
                Inputs::Joined(Box::new(Linear::joined(source, &keys, device)))
            },
            projection: linear("proj"),
            pool: upcast(pool)
                .permute([1, 2, 3, 0])
                .reshape([1, POOL, 1, POOL, CHANNELS]),
            pool_bias: upcast(parameter(source, &format!("{key}.pool_layer.bias"), device)),
        }
    }

    /// Computes the queried tokens from normalised tokens and adds those of `x`.
    ///
    /// - `normed`: the normalised tokens as rows, then the plan's spare rows
    /// - `x`: `[frames, rows, columns, 512]`
    pub fn forward_added(
        &self,
        normed: Tensor<2>,
        x: Tensor<4>,
        plan: &DeviceAttentionPlan,
    ) -> Tensor<4> {
        let all = x.dims();
        let addend = plan.queried(x);
        let shape = addend.dims();
        let answers = match (&self.inputs, &plan.windows) {
            (Inputs::Joined(layer), Windows::Lists(lists)) => {
                self.attend_in_table(layer, normed, lists, plan)
            }
            (Inputs::Separate(layers), Windows::Batches(batches)) => {
                self.attend_in_batches(layers, normed.reshape(all), batches, plan)
            }
            _ => unreachable!("a plan of another device"),
        };
        let addend = table(addend);
        let out = self.projection.forward_onto(answers, Some(addend));
        out.reshape(shape)
    }

    /// Computes the results of all windows, `[queried tokens, 512]`, in one launch.
    fn attend_in_table(
        &self,
        layer: &Linear,
        mut normed: Tensor<2>,
        lists: &DeviceWindowLists,
        plan: &DeviceAttentionPlan,
    ) -> Tensor<2> {
        const DEVICE: &str = "tensors of a CubeCL device";
        let DeviceAttentionPlan { grid, scope, .. } = plan;
        if !scope.keys.is_empty() {
            let frames = &plan.key_frames;
            let sizes = pool_grid(*grid);
            normed =
                pool_in_table(normed, frames, &self.pool, &self.pool_bias, sizes).expect(DEVICE);
        }
        let results = scope.queries.len() * scope.tokens.pixels();
        let scale = 1.0 / (HEAD as f64).sqrt();
        windowed_attention(&layer.forward(normed), lists, results, HEADS, scale).expect(DEVICE)
    }

    /// Computes the results of all windows, `[queried tokens, 512]`, a batch of windows at a time.
    fn attend_in_batches(
        &self,
        [query, key, value]: &[Linear; 3],
        x: Tensor<4>,
        Batches {
            key_tokens,
            batches,
            answers: places,
        }: &Batches,
        plan: &DeviceAttentionPlan,
    ) -> Tensor<2> {
        let queries = plan.queried(x.clone());
        let queries = heads(query.forward(table(queries)));
        let key_input = self.key_input(x, key_tokens, plan);
        let keys = heads(key.forward(key_input.clone()));
        let values = heads(value.forward(key_input));

        let answers = batches.iter().map(|batch| {
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
        let answers = Tensor::cat(answers.collect(), 0).select(0, places.clone());
        let rows = answers.dims()[0] / HEADS;
        answers.reshape([rows, CHANNELS])
    }

    /// Returns the rows that keys and values are computed from: pooled tokens, one padding token, and
    /// tokens.
    fn key_input(
        &self,
        x: Tensor<4>,
        key_tokens: &Tensor<1, Int>,
        plan: &DeviceAttentionPlan,
    ) -> Tensor<2> {
        let tokens = table(x.clone()).select(0, key_tokens.clone());
        let padding = Tensor::zeros([1, CHANNELS], (&x.device(), x.dtype()));
        let mut parts = vec![padding, tokens];
        if !plan.scope.keys.is_empty() {
            let frames = x.select(0, plan.key_frames.clone());
            let sizes = pool_grid(plan.grid);
            parts.insert(
                0,
                pool_reference(frames, &self.pool, &self.pool_bias, sizes),
            );
        }
        Tensor::cat(parts, 0)
    }
}

/// Returns the sizes of the pooling.
fn pool_grid(grid: TokenGrid) -> PoolGrid {
    PoolGrid {
        tokens: [grid.rows, grid.columns],
        pooled: grid.pooled(),
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
