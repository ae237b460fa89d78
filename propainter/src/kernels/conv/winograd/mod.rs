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
    device::isa::{Isa, Job},
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
        let panel = count * ROWS * inputs;
        weights
            .par_chunks_mut(panel)
            .enumerate()
            .for_each(|(index, panel)| {
                let (group, first) = (index * ROWS / padded, index * ROWS % padded);
                let kernels = group * outputs + first..group * outputs + outputs.min(first + ROWS);
                let size = inputs * kh * kw;
                isa.run(Panel {
                    kernels: &weight[kernels.start * size..kernels.end * size],
                    panel,
                    inputs,
                    kernel: [kh, kw],
                    transforms: &transforms,
                });
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

/// Transforms the kernels of up to [`ROWS`] output channels, side by side: `G g Gᵀ` of each.
struct Panel<'a> {
    /// `[O, I, kh, kw]` of these channels.
    kernels: &'a [f32],
    panel: &'a mut [f32],
    inputs: usize,
    kernel: [usize; 2],
    transforms: &'a [Vec<Vec<f64>>; 2],
}

impl Job for Panel<'_> {
    #[inline(always)]
    fn run(self) {
        let ([height, width], [down, across]) = (self.kernel, self.transforms);
        let (taps, columns) = (height * width, across.len());
        let mut kernel = vec![[0.0; ROWS]; taps];
        let mut lines = vec![[0.0; ROWS]; height * columns];
        // The sums begin as those of iterators do.
        let weighted = |values: &[[f64; ROWS]], step: usize, shares: &[f64]| {
            let mut sum = [-0.0; ROWS];
            for (i, share) in shares.iter().enumerate() {
                let values = &values[i * step];
                (0..ROWS).for_each(|row| sum[row] += values[row] * share);
            }
            sum
        };
        for input in 0..self.inputs {
            let channels = self.kernels.chunks_exact(self.inputs * taps);
            let rows = channels.len();
            for (row, channel) in channels.enumerate() {
                for (tap, value) in kernel.iter_mut().zip(&channel[input * taps..]) {
                    tap[row] = f64::from(*value);
                }
            }
            for (y, kernel) in kernel.chunks_exact(width).enumerate() {
                for (x, shares) in across.iter().enumerate() {
                    lines[y * columns + x] = weighted(kernel, 1, shares);
                }
            }
            for (y, shares) in down.iter().enumerate() {
                for x in 0..columns {
                    let product = weighted(&lines[x..], columns, shares);
                    let place = ((y * columns + x) * self.inputs + input) * ROWS;
                    let target = self.panel[place..][..rows].iter_mut();
                    target
                        .zip(product)
                        .for_each(|(to, value)| *to = value as f32);
                }
            }
        }
    }
}
