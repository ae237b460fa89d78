//! Attention in windows, over time where a hole is (spec section 6).

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{
    CHANNELS,
    windows::{Grid, POOL, Part, Plan, Roles},
};
use crate::{
    kernels::{
        attention::attend,
        wide::{wide, widened},
    },
    networks::layers::{Linear, parameter},
    weights::Checkpoint,
};

const HEADS: usize = 4;
const HEAD: usize = CHANNELS / HEADS;

/// A [`Plan`] on the device; blocks with the same roles share it.
#[derive(Debug)]
pub struct Routes {
    grid: Grid,
    roles: Roles,
    key_frames: Tensor<1, Int>,
    query_frames: Tensor<1, Int>,
    key_tokens: Tensor<1, Int>,
    parts: Vec<Route>,
    answers: Tensor<1, Int>,
}

/// A [`Part`] on the device, by heads: rows of tables `[rows · HEADS, HEAD]`.
#[derive(Debug)]
struct Route {
    windows: usize,
    queries: Tensor<1, Int>,
    keys: Option<Tensor<1, Int>>,
}

impl Routes {
    /// `holes`: the tokens that see a hole of a local frame.
    pub fn new(grid: Grid, roles: &Roles, holes: &[bool], device: &Device) -> Self {
        let plan = Plan::new(grid, roles, holes);
        let parts = plan.parts.iter().map(|part| Route::new(part, device));
        // Answers come back by windows and heads, too.
        let mut placed = Vec::new();
        for part in &plan.parts {
            let base = placed.len() * HEADS;
            let length = part.queries.len() / part.windows;
            placed.extend((0..part.queries.len()).map(|i| {
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
            roles: roles.clone(),
            key_frames: indices(roles.keys.iter().copied(), device),
            query_frames: indices(roles.queries.iter().copied(), device),
            key_tokens: indices(plan.key_tokens.iter().copied(), device),
            parts: parts.collect(),
            answers: indices(answers, device),
        }
    }

    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// The tokens of `x` `[frames, rows, columns, …]` that the output holds.
    pub fn asked(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.roles.tokens.cut(x, 1, &self.grid.whole());
        if self.roles.queries.len() == self.roles.frames {
            x
        } else {
            x.select(0, self.query_frames.clone())
        }
    }
}

impl Route {
    fn new(part: &Part, device: &Device) -> Self {
        let by_heads = |rows: &[usize]| {
            let windows = rows.chunks_exact(rows.len() / part.windows);
            let rows = windows.flat_map(|window| {
                let heads = 0..HEADS;
                heads.flat_map(move |head| window.iter().map(move |row| row * HEADS + head))
            });
            indices(rows, device)
        };
        Self {
            windows: part.windows,
            queries: by_heads(&part.queries),
            keys: (!part.keys.is_empty()).then(|| by_heads(&part.keys)),
        }
    }
}

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
    /// `[1, 4, 1, 4, 512]`, in 32 bits as its bias
    pool: Tensor<5>,
    pool_bias: Tensor<1>,
}

impl WindowAttention {
    pub fn init(checkpoint: &Checkpoint, key: &str, device: &Device) -> Self {
        let linear = |name: &str| Linear::init(checkpoint, &format!("{key}.{name}"), device);
        let pool: Tensor<4> = parameter(checkpoint, &format!("{key}.pool_layer.weight"), device);
        Self {
            query: linear("query"),
            key: linear("key"),
            value: linear("value"),
            projection: linear("proj"),
            pool: wide(pool)
                .permute([1, 2, 3, 0])
                .reshape([1, POOL, 1, POOL, CHANNELS]),
            pool_bias: wide(parameter(
                checkpoint,
                &format!("{key}.pool_layer.bias"),
                device,
            )),
        }
    }

    /// Tokens `[frames, rows, columns, 512]`, normalised, to those that are asked about.
    pub fn forward(&self, x: Tensor<4>, routes: &Routes) -> Tensor<4> {
        let queries = routes.asked(x.clone());
        let asked = queries.dims();
        let queries = heads(self.query.forward(table(queries)));
        let key_input = self.key_input(x, routes);
        let keys = heads(self.key.forward(key_input.clone()));
        let values = heads(self.value.forward(key_input));

        let answers = routes.parts.iter().map(|part| {
            let rows = part.queries.dims()[0];
            match &part.keys {
                Some(seen) => {
                    let tables = [&queries, &keys, &values];
                    let scale = 1.0 / (HEAD as f64).sqrt();
                    attend(tables, [&part.queries, seen], part.windows * HEADS, scale)
                        .reshape([rows, HEAD])
                }
                None => Tensor::zeros([rows, HEAD], (&queries.device(), queries.dtype())),
            }
        });
        let answers = Tensor::cat(answers.collect(), 0).select(0, routes.answers.clone());
        self.projection.forward(answers.reshape(asked))
    }

    /// What keys and values are computed from: pooled tokens, one of the padding, and tokens.
    fn key_input(&self, x: Tensor<4>, routes: &Routes) -> Tensor<2> {
        let tokens = table(x.clone()).select(0, routes.key_tokens.clone());
        let padding = Tensor::zeros([1, CHANNELS], (&x.device(), x.dtype()));
        let mut parts = vec![padding, tokens];
        if !routes.roles.keys.is_empty() {
            let frames = x.select(0, routes.key_frames.clone());
            parts.insert(0, self.pool(frames, routes.grid));
        }
        Tensor::cat(parts, 0)
    }

    /// The pooled tokens of frames `[frames, rows, columns, 512]`.
    fn pool(&self, x: Tensor<4>, grid: Grid) -> Tensor<2> {
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
        widened(squares, |squares| {
            let pooled = (squares * self.pool.clone()).sum_dim(3).sum_dim(1);
            pooled.reshape([frames * rows * columns, CHANNELS]) + self.pool_bias.clone().unsqueeze()
        })
    }
}

/// `[…, 512]` as rows.
fn table<const D: usize>(x: Tensor<D>) -> Tensor<2> {
    x.flatten(0, D - 2)
}

/// Rows of 512 as rows of single heads.
fn heads(x: Tensor<2>) -> Tensor<2> {
    let rows = x.dims()[0];
    x.reshape([rows * HEADS, HEAD])
}
