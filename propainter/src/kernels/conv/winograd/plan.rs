//! The memory layout of a task, and the products of its transformed inputs and weights.

use super::{ROWS, TILES, WinogradConv};
use crate::kernels::{
    activation::Activation,
    conv::{
        geometry::ConvGeometry,
        padded::{OutputTile, PaddedLayout},
    },
    cpu::micro_kernel,
};

/// The layout of a task's copy of its inputs, of its transformed inputs, and of their products.
pub struct TaskLayout<'a> {
    pub conv: &'a WinogradConv,
    /// The outputs of a tile along each axis.
    pub step: [usize; 2],
    /// The layout of the padded copy of one channel.
    pub copy: PaddedLayout,
    /// The offset of each input of a tile in the copy.
    pub offsets: Vec<u32>,
    /// The distance in memory from one channel to the next, with room for the tiles of the largest
    /// task.
    pub pitch: usize,
    /// The number of elements of the transformed inputs.
    pub inputs: usize,
    /// The number of elements of the products of [`ROWS`] output channels.
    products: usize,
    /// The offset of each input channel among the inputs of one product.
    channels: Vec<u32>,
}

/// The part of the output that a task computes.
pub struct Task {
    /// Its place, in outputs.
    pub outputs: OutputTile,
    /// Its place, in tiles.
    pub tiles: OutputTile,
}

impl Task {
    /// Returns the number of tiles.
    fn count(&self) -> usize {
        self.tiles.size[0] * self.tiles.size[1]
    }
}

impl<'a> TaskLayout<'a> {
    /// Returns the layout for tasks of at most `largest` rows and columns of outputs.
    pub fn new(conv: &'a WinogradConv, largest: [usize; 2], step: [usize; 2]) -> Self {
        let tiles = [0, 1].map(|axis| largest[axis].div_ceil(step[axis]));
        let geometry = ConvGeometry {
            stride: step,
            groups: 1,
            ..conv.geometry
        };
        let copy = PaddedLayout::new(geometry, conv.products, tiles[0], tiles[1]);
        // Whole vectors, one more because the last tiles of a row write beyond it, and not a
        // multiple of the page.
        let pitch = (((tiles[0] * tiles[1]).div_ceil(16) + 1) | 1) * 16;
        let count = conv.products[0] * conv.products[1];
        Self {
            conv,
            step,
            offsets: copy.offsets(1, conv.products),
            copy,
            pitch,
            inputs: count * conv.inputs * pitch + TILES,
            products: count * ROWS * pitch,
            channels: (0..conv.inputs).map(|c| (c * pitch) as u32).collect(),
        }
    }

    /// Returns the number of elements of everything.
    pub fn len(&self) -> usize {
        self.copy.len(1, 16) + self.inputs + self.products
    }

    /// Returns the task that computes these outputs.
    pub fn task(&self, outputs: OutputTile) -> Task {
        let [rows, columns] = [0, 1].map(|axis| outputs.size[axis].div_ceil(self.step[axis]));
        let start = [0, 1].map(|axis| outputs.start[axis] / self.step[axis]);
        Task {
            outputs,
            tiles: OutputTile {
                start,
                size: [rows, columns],
            },
        }
    }

    /// Multiplies the transformed weights of one panel of output channels by the transformed inputs.
    /// `products` receives, for each product, [`ROWS`] output channels × tiles.
    pub fn multiply(
        &self,
        group: usize,
        panel: usize,
        inputs: &[f32],
        products: &mut [f32],
        task: &Task,
    ) {
        let depth = self.conv.inputs;
        let count = self.conv.products[0] * self.conv.products[1];
        let panels = self.conv.outputs.div_ceil(ROWS);
        let weights = &self.conv.weights[(group * panels + panel) * count * ROWS * depth..];
        let weights = weights.chunks_exact(ROWS * depth);
        let inputs = inputs.chunks(depth * self.pitch);
        let products = products.chunks_exact_mut(ROWS * self.pitch);
        for ((weights, inputs), rows) in weights.zip(inputs).zip(products).take(count) {
            let weights = weights.as_chunks::<ROWS>().0;
            for start in (0..task.count()).step_by(TILES) {
                match task.count() - start {
                    ..=16 => self.block::<1>(weights, &inputs[start..], rows, start),
                    17..=32 => self.block::<2>(weights, &inputs[start..], rows, start),
                    33.. => self.block::<3>(weights, &inputs[start..], rows, start),
                }
            }
        }
    }

    fn block<const V: usize>(
        &self,
        weights: &[[f32; ROWS]],
        inputs: &[f32],
        rows: &mut [f32],
        start: usize,
    ) {
        let mut tile = [[[0.0; 16]; V]; ROWS];
        let isa = self.conv.isa;
        micro_kernel::multiply(
            isa,
            weights,
            inputs,
            &self.channels,
            Activation::None,
            &mut tile,
        );
        for (row, tile) in rows.chunks_exact_mut(self.pitch).zip(&tile) {
            row.as_chunks_mut::<16>().0[start / 16..][..V].copy_from_slice(tile);
        }
    }
}
