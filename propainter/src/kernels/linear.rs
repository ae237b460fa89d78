//! Fully connected layers: rows of features times a matrix, plus a bias.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{conv2d::Activation, host::HostView, isa::Isa, tile};

/// Rows computed together.
pub(super) const ROWS: usize = 8;

/// Output features computed together.
const COLUMNS: usize = 48;

/// Terms summed before the next part of the weights is brought in: a part of both factors
/// stays in the second-level cache.
const DEPTH: usize = 1024;

/// Rows of one task.
const TASK: usize = 64;

/// A layer's weights in the order in which the CPU wants them.
#[derive(Debug)]
pub struct Matrix {
    /// Per [`COLUMNS`] output features: input feature × output feature.
    weights: Vec<f32>,
    /// As long as the panels of all output features.
    bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
    isa: Isa,
}

impl Matrix {
    /// `weight` `[I, O]`, `bias` `[O]`; `None` where they are no tensors of the CPU device.
    pub fn new(weight: &Tensor<2>, bias: &Tensor<1>) -> Option<Self> {
        let (weight, bias) = (HostView::of(weight)?, HostView::of(bias)?);
        Some(Self::pack(weight.slice(), bias.slice(), Isa::best()))
    }

    /// As [`Matrix::new`], from slices and for a given instruction set.
    pub fn pack(weight: &[f32], bias: &[f32], isa: Isa) -> Self {
        let outputs = bias.len();
        let inputs = weight.len() / outputs.max(1);
        let mut weights = Vec::with_capacity(inputs * outputs.next_multiple_of(16));
        for start in (0..outputs).step_by(COLUMNS) {
            let count = COLUMNS.min(outputs - start);
            for row in weight.chunks_exact(outputs) {
                weights.extend_from_slice(&row[start..start + count]);
                weights.resize(weights.len().next_multiple_of(16), 0.0);
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(outputs.next_multiple_of(COLUMNS), 0.0);
        Self {
            weights,
            bias,
            inputs,
            outputs,
            isa,
        }
    }

    /// `x` `[…, I]` of the CPU device → `[…, O]`
    ///
    /// # Panics
    /// When `x` has other features than the weights, or is no tensor of the CPU device.
    pub fn apply<const D: usize>(&self, x: &Tensor<D>) -> Tensor<D> {
        let values = HostView::of(x).expect("a tensor of the weights' device");
        let mut shape = x.dims();
        assert_eq!(shape[D - 1], self.inputs, "input features");
        shape[D - 1] = self.outputs;
        values.tensor(self.multiply(values.slice()), shape)
    }

    /// Output features.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// As [`Matrix::apply`], on slices.
    pub fn multiply(&self, x: &[f32]) -> Vec<f32> {
        let rows = x.len() / self.inputs;
        let mut out = vec![0.0; rows * self.outputs];
        let threads = rayon::current_num_threads();
        let task = rows.div_ceil(threads).next_multiple_of(ROWS).min(TASK);
        x.par_chunks(task * self.inputs)
            .zip(out.par_chunks_mut(task * self.outputs))
            .with_max_len(1)
            .for_each_init(
                || vec![0.0; task * DEPTH.min(self.inputs)],
                |packed, (x, out)| self.task(x, packed, out),
            );
        out
    }

    /// The rows of one task; `packed` has room for them, [`DEPTH`] features each.
    fn task(&self, x: &[f32], packed: &mut [f32], out: &mut [f32]) {
        for start in (0..self.inputs).step_by(DEPTH) {
            let depth = DEPTH.min(self.inputs - start);
            let blocks = x
                .chunks(ROWS * self.inputs)
                .zip(packed.chunks_exact_mut(ROWS * depth));
            for (x, packed) in blocks {
                interleave(x, self.inputs, start, packed);
            }
            self.accumulate(start, packed, depth, out);
        }
    }

    /// The product of rows that lie interleaved already: [`ROWS`] by [`ROWS`], feature by feature.
    pub(super) fn multiply_packed(&self, packed: &[f32], out: &mut [f32]) {
        self.accumulate(0, packed, self.inputs, out);
    }

    /// Adds the products of `depth` input features from `start` on; the first ones are added
    /// to the bias.
    fn accumulate(&self, start: usize, packed: &[f32], depth: usize, out: &mut [f32]) {
        let outputs = self.outputs;
        let panels = self.weights.chunks(COLUMNS * self.inputs);
        for (index, panel) in panels.enumerate() {
            let width = panel.len() / self.inputs;
            let block = Block {
                isa: self.isa,
                panel: &panel[start * width..][..depth * width],
                offsets: (0..depth as u32).map(|k| k * width as u32).collect(),
                bias: (start == 0).then(|| &self.bias[index * COLUMNS..][..width]),
            };
            let blocks = packed
                .chunks_exact(ROWS * depth)
                .zip(out.chunks_mut(ROWS * outputs));
            for (rows, out) in blocks {
                let rows = rows.as_chunks::<ROWS>().0;
                let lines = out.chunks_exact_mut(outputs).map(|line| {
                    let line = &mut line[index * COLUMNS..];
                    let count = width.min(line.len());
                    &mut line[..count]
                });
                match width {
                    16 => block.run::<1>(rows, lines),
                    32 => block.run::<2>(rows, lines),
                    _ => block.run::<3>(rows, lines),
                }
            }
        }
    }
}

/// A part of the weights, and the bias where it is the first part.
struct Block<'a> {
    isa: Isa,
    panel: &'a [f32],
    offsets: Vec<u32>,
    bias: Option<&'a [f32]>,
}

impl Block<'_> {
    fn run<'a, const V: usize>(
        &self,
        rows: &[[f32; ROWS]],
        lines: impl Iterator<Item = &'a mut [f32]>,
    ) {
        let mut tile = [[[0.0; 16]; V]; ROWS];
        if let Some(bias) = self.bias {
            for row in &mut tile {
                row.as_flattened_mut().copy_from_slice(bias);
            }
        }
        tile::multiply(
            self.isa,
            rows,
            self.panel,
            &self.offsets,
            Activation::None,
            &mut tile,
        );
        for (line, row) in lines.zip(&tile) {
            let sums = &row.as_flattened()[..line.len()];
            if self.bias.is_some() {
                line.copy_from_slice(sums);
            } else {
                line.iter_mut()
                    .zip(sums)
                    .for_each(|(value, sum)| *value += sum);
            }
        }
    }
}

/// [`ROWS`] rows of `x` side by side, feature by feature from `start` on; rows beyond the last
/// keep what they were.
pub(super) fn interleave(x: &[f32], inputs: usize, start: usize, packed: &mut [f32]) {
    let packed = packed.as_chunks_mut::<ROWS>().0;
    for (index, row) in x.chunks_exact(inputs).enumerate() {
        for (target, &value) in packed.iter_mut().zip(&row[start..]) {
            target[index] = value;
        }
    }
}
