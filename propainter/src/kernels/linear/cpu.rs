//! The CPU form of a fully connected layer.

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::{
    device::isa::Isa,
    kernels::{
        activation::Activation,
        cpu::{
            host_view::HostView,
            micro_kernel,
            panels::{ROWS, interleave},
        },
    },
};

/// Output features computed together.
const COLUMNS: usize = 48;

/// Terms that are summed before the next part of the weights is read, so that a part of both factors
/// stays in the second-level cache.
const DEPTH: usize = 1024;

/// Rows of one task.
const TASK: usize = 64;

/// A layer's weights and bias, packed for the CPU.
#[derive(Debug)]
pub struct PackedLinear {
    /// For each [`COLUMNS`] output features: input feature × output feature.
    weights: Vec<f32>,
    /// Padded to whole panels of output features.
    bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
    isa: Isa,
}

impl PackedLinear {
    /// Packs `weight` `[I, O]` and `bias` `[O]`; returns `None` if they are not on the CPU device.
    pub fn new(weight: &Tensor<2>, bias: &Tensor<1>) -> Option<Self> {
        let (weight, bias) = (HostView::of(weight)?, HostView::of(bias)?);
        Some(Self::pack(weight.slice(), bias.slice(), Isa::best()))
    }

    /// Packs slices, as [`PackedLinear::new`] packs tensors, for a given instruction set.
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

    /// Applies the layer to `x` `[…, I]`, a tensor of the CPU device. Returns `[…, O]`.
    ///
    /// # Panics
    /// Panics if the number of features of `x` is not that of the weights, or if `x` is not on the
    /// CPU device.
    pub fn apply<const D: usize>(&self, x: &Tensor<D>) -> Tensor<D> {
        let values = HostView::of(x).expect("a tensor of the weights' device");
        let mut shape = x.dims();
        assert_eq!(shape[D - 1], self.inputs, "input features");
        shape[D - 1] = self.outputs;
        values.tensor(self.multiply(values.slice()), shape)
    }

    /// Returns the number of output features.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Applies the layer to a slice of rows, as [`PackedLinear::apply`] to a tensor.
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

    /// Computes the rows of one task. `packed` has room for them, [`DEPTH`] features each.
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

    /// Applies the layer to rows that are [interleaved](interleave) already, [`ROWS`] at a time.
    pub fn multiply_packed(&self, packed: &[f32], out: &mut [f32]) {
        self.accumulate(0, packed, self.inputs, out);
    }

    /// Adds the products of `depth` input features from `start` on. The products of the first
    /// features are added to the bias.
    fn accumulate(&self, start: usize, packed: &[f32], depth: usize, out: &mut [f32]) {
        let outputs = self.outputs;
        let panels = self.weights.chunks(COLUMNS * self.inputs);
        for (index, panel) in panels.enumerate() {
            let width = panel.len() / self.inputs;
            let block = WeightBlock {
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

/// A part of the weights of a panel, and the panel's bias if it is the first part.
struct WeightBlock<'a> {
    isa: Isa,
    panel: &'a [f32],
    offsets: Vec<u32>,
    bias: Option<&'a [f32]>,
}

impl WeightBlock<'_> {
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
        micro_kernel::multiply(
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
