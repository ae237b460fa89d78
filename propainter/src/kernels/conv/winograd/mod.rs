//! Winograd's minimal filtering on the CPU, for kernels of 3 and 5 taps (and 1) along each axis with
//! stride 1: a 3×3 kernel needs a quarter of the products, a 1×5 kernel two fifths. The transforms
//! are those of the Toom–Cook algorithm ([`transform`]).
//!
//! A task transforms the inputs of some tiles, multiplies them by the transformed weights at each
//! point, and transforms the products back to outputs.

mod plan;
mod tiles;
pub mod transform;

use rayon::prelude::*;

use self::{
    plan::TaskLayout,
    tiles::{InputTransform, OutputTransform},
};
use super::{geometry::ConvGeometry, tiling::Tiling};
use crate::{
    device::isa::Isa,
    kernels::{activation::Activation, cpu::scratch},
};

/// Output channels that are computed together.
const ROWS: usize = 8;

/// Tiles that are computed together.
const TILES: usize = 48;

/// Elements that the transformed inputs of a task may take.
const MEMORY: usize = 600 << 10;

/// Most outputs in a row of a task; wider images are cut.
const COLUMNS: usize = 512;

/// A convolution's transformed weights, packed, and its bias.
#[derive(Debug)]
pub struct WinogradConv {
    /// For each group, each [`ROWS`] output channels, and each product: input channel × [`ROWS`].
    weights: Vec<f32>,
    bias: Vec<f32>,
    /// Input and output channels of one group.
    inputs: usize,
    outputs: usize,
    kernel: [usize; 2],
    /// The products of a tile along each axis.
    products: [usize; 2],
    geometry: ConvGeometry,
    isa: Isa,
}

impl WinogradConv {
    /// Transforms and packs `weight` `[O, I/groups, kh, kw]` and `bias` `[O]` for a given instruction
    /// set; returns `None` if the algorithm does not apply to this kernel and geometry.
    pub fn pack(
        weight: &[f32],
        [outputs, inputs, kh, kw]: [usize; 4],
        bias: &[f32],
        geometry: ConvGeometry,
        isa: Isa,
    ) -> Option<Self> {
        if geometry.stride != [1, 1] || geometry.dilation != [1, 1] || kh * kw == 1 {
            return None;
        }
        let products = [transform::inputs(kh)?, transform::inputs(kw)?];
        let outputs = outputs / geometry.groups;
        let padded = outputs.next_multiple_of(ROWS);
        let count = products[0] * products[1];
        let mut weights = vec![0.0; geometry.groups * count * padded * inputs];
        let transforms = [weight_matrix(kh), weight_matrix(kw)];
        weights
            .par_chunks_mut(count * padded * inputs)
            .zip(weight.par_chunks(outputs * inputs * kh * kw))
            .for_each(|(target, weight)| {
                for (index, kernel) in weight.chunks_exact(kh * kw).enumerate() {
                    let (output, input) = (index / inputs, index % inputs);
                    let panel = &mut target[output / ROWS * count * ROWS * inputs..];
                    for (product, value) in transform_weight(kernel, kw, &transforms).enumerate() {
                        let place = (product * inputs + input) * ROWS + output % ROWS;
                        panel[place] = value as f32;
                    }
                }
            });
        Some(Self {
            weights,
            bias: bias.to_vec(),
            inputs,
            outputs,
            kernel: [kh, kw],
            products,
            geometry,
            isa,
        })
    }

    /// Convolves `x` `[B, I, H, W]` and applies the activation. Returns the output `[B, O, H', W']` and
    /// its shape.
    pub fn convolve(
        &self,
        x: &[f32],
        [batches, channels, height, width]: [usize; 4],
        activation: Activation,
    ) -> (Vec<f32>, [usize; 4]) {
        let groups = self.geometry.groups;
        assert_eq!(channels, self.inputs * groups, "input channels");
        let size = self.geometry.output([height, width], self.kernel);
        let shape = [batches, groups * self.outputs, size[0], size[1]];
        let mut out = vec![0.0; shape.iter().product()];
        if out.is_empty() {
            return (out, shape);
        }
        let step = self.products.map(transform::outputs);
        let tiling = Tiling::new(size, batches * groups, self.tile(size, step), step);
        let layout = TaskLayout::new(self, tiling.largest(), step);
        let plane = height * width;
        tiling
            .tiles(&mut out, self.outputs)
            .into_par_iter()
            .with_max_len(1)
            .enumerate()
            .for_each(|(index, mut lines)| {
                let (image, outputs) = tiling.place(index);
                let group = image % groups;
                let x = &x[image * self.inputs * plane..][..self.inputs * plane];
                scratch::with(layout.len(), |memory| {
                    let (buffer, memory) = memory.split_at_mut(layout.copy.len(1, 16));
                    let (inputs, products) = memory.split_at_mut(layout.inputs);
                    let task = layout.task(outputs);
                    self.isa.run(InputTransform {
                        layout: &layout,
                        x,
                        size: [height, width],
                        tiles: task.tiles,
                        buffer,
                        inputs,
                    });
                    let panels = lines.chunks_mut(ROWS * task.outputs.size[0]);
                    for (panel, lines) in panels.enumerate() {
                        layout.multiply(group, panel, inputs, products, &task);
                        let first = group * self.outputs + panel * ROWS;
                        self.isa.run(OutputTransform {
                            layout: &layout,
                            products,
                            lines,
                            bias: &self.bias[first..],
                            task: &task,
                            activation,
                        });
                    }
                });
            });
        (out, shape)
    }

    /// Returns the rows and columns of a task whose transformed inputs stay in the cache.
    fn tile(&self, size: [usize; 2], step: [usize; 2]) -> [usize; 2] {
        let columns = size[1]
            .div_ceil(size[1].div_ceil(COLUMNS))
            .next_multiple_of(step[1]);
        let across = columns.div_ceil(step[1]);
        let each = self.inputs * self.products[0] * self.products[1];
        let most = (MEMORY / each / across).max(1);
        // The last vector of a task is partly empty.
        let waste = |rows: &usize| {
            let tiles = rows * across;
            (tiles.next_multiple_of(16) - tiles) * 1000 / tiles
        };
        let rows = (most.div_ceil(2)..=most).rev().min_by_key(waste);
        [rows.unwrap_or(1) * step[0], columns]
    }
}

/// Returns the matrix `G` of the weights' transform, products × taps.
fn weight_matrix(taps: usize) -> Vec<Vec<f64>> {
    let unit = |tap: usize| {
        let kernel: Vec<f64> = (0..taps).map(|i| f64::from(u8::from(i == tap))).collect();
        transform::kernel(&kernel)
    };
    let columns: Vec<Vec<f64>> = (0..taps).map(unit).collect();
    (0..columns[0].len())
        .map(|row| columns.iter().map(|column| column[row]).collect())
        .collect()
}

/// Computes `G g Gᵀ` in row-major order.
fn transform_weight<'a>(
    kernel: &'a [f32],
    width: usize,
    [down, across]: &'a [Vec<Vec<f64>>; 2],
) -> impl Iterator<Item = f64> + 'a {
    down.iter().flat_map(move |rows| {
        across.iter().map(move |columns| {
            let lines = kernel.chunks_exact(width).zip(rows);
            let line = |line: &[f32]| -> f64 {
                let taps = line.iter().zip(columns);
                taps.map(|(&tap, share)| f64::from(tap) * share).sum()
            };
            lines.map(|(values, share)| line(values) * share).sum()
        })
    })
}
