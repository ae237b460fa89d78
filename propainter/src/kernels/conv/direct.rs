//! Direct convolution on the CPU: every product of the definition, tile by tile, from a padded copy
//! of the input.

use rayon::prelude::*;

use super::{
    geometry::ConvGeometry,
    padded::{OutputTile, PaddedLayout},
    tiling::Tiling,
};
use crate::{
    device::isa::{Isa, Job},
    kernels::{
        activation::Activation,
        cpu::{
            micro_kernel::{self, Lanes},
            scratch,
        },
    },
};

/// Elements of a tile's input that stay in the second-level cache beside the weights.
const INPUT: usize = 96 << 10;

/// Most outputs in a row of a tile; wider images are cut.
const COLUMNS: usize = 256;

/// A convolution's weights and bias, packed for the direct algorithm.
#[derive(Debug)]
pub struct DirectConv {
    /// For each group and each `rows` output channels: (input channel, tap) × `rows`.
    weights: Vec<f32>,
    /// For each group, padded to a multiple of `rows`.
    bias: Vec<f32>,
    /// Input and output channels of one group.
    inputs: usize,
    outputs: usize,
    kernel: [usize; 2],
    geometry: ConvGeometry,
    /// Output channels that are computed together.
    rows: usize,
    isa: Isa,
}

impl DirectConv {
    /// Packs `weight` `[O, I/groups, kh, kw]` and `bias` `[O]` for a given instruction set.
    pub fn pack(
        weight: &[f32],
        [outputs, inputs, kh, kw]: [usize; 4],
        bias: &[f32],
        geometry: ConvGeometry,
        isa: Isa,
    ) -> Self {
        let groups = geometry.groups;
        let outputs = outputs / groups;
        let rows = if outputs <= 4 { 4 } else { 8 };
        let padded = outputs.next_multiple_of(rows);
        let depth = inputs * kh * kw;
        let mut weights = vec![0.0; groups * padded * depth];
        for (index, source) in weight.chunks_exact(depth).enumerate() {
            let row = index / outputs * padded + index % outputs;
            let panel = &mut weights[row / rows * rows * depth..][..rows * depth];
            for (k, &value) in source.iter().enumerate() {
                panel[k * rows + row % rows] = value;
            }
        }
        let mut padded_bias = vec![0.0; groups * padded];
        for (target, source) in padded_bias
            .chunks_exact_mut(padded)
            .zip(bias.chunks_exact(outputs))
        {
            target[..outputs].copy_from_slice(source);
        }
        Self {
            weights,
            bias: padded_bias,
            inputs,
            outputs,
            kernel: [kh, kw],
            geometry,
            rows,
            isa,
        }
    }

    /// Convolves `x` `[B, I, H, W]` and applies the activation. Returns the output `[B, O, H', W']` and
    /// its shape.
    pub fn convolve(
        &self,
        x: &[f32],
        [batches, channels, height, width]: [usize; 4],
        activation: Activation,
    ) -> (Vec<f32>, [usize; 4]) {
        let geometry = self.geometry;
        let groups = geometry.groups;
        assert_eq!(channels, self.inputs * groups, "input channels");
        let size = geometry.output([height, width], self.kernel);
        let shape = [batches, groups * self.outputs, size[0], size[1]];
        let mut out = vec![0.0; shape.iter().product()];
        if out.is_empty() {
            return (out, shape);
        }
        let tiling = Tiling::new(size, batches * groups, self.tile(size), [1, 1]);
        let [rows, columns] = tiling.largest();
        let layout = PaddedLayout::new(geometry, self.kernel, rows, columns);
        let offsets = layout.offsets(self.inputs, self.kernel);
        let plane = height * width;
        tiling
            .tiles(&mut out, self.outputs)
            .into_par_iter()
            .with_max_len(1)
            .enumerate()
            .for_each(|(index, mut lines)| {
                scratch::with(layout.len(self.inputs, 48), |buffer| {
                    let (image, tile) = tiling.place(index);
                    let x = &x[image * self.inputs * plane..][..self.inputs * plane];
                    self.isa.run(CopyInputs {
                        layout: &layout,
                        x,
                        size: [height, width],
                        tile,
                        buffer,
                    });
                    let task = TileTask {
                        conv: self,
                        group: image % groups,
                        buffer,
                        offsets: &offsets,
                        activation,
                        pitch: layout.pitch,
                        size: tile.size,
                    };
                    match self.rows {
                        4 => task.run::<4>(&mut lines),
                        _ => task.run::<8>(&mut lines),
                    }
                });
            });
        (out, shape)
    }

    /// Returns the rows and columns of a tile whose inputs stay in the cache.
    fn tile(&self, size: [usize; 2]) -> [usize; 2] {
        let columns = size[1].div_ceil(size[1].div_ceil(COLUMNS));
        // The layouts of one row and of two give the size of a row and that of the halo.
        let len =
            |rows| PaddedLayout::new(self.geometry, self.kernel, rows, columns).len(self.inputs, 0);
        let (one, row) = (len(1), (len(2) - len(1)).max(1));
        [INPUT.saturating_sub(one) / row + 1, columns]
    }
}

/// The padded copy of all channels of one tile's inputs.
struct CopyInputs<'a> {
    layout: &'a PaddedLayout,
    /// Planes of `size`.
    x: &'a [f32],
    size: [usize; 2],
    tile: OutputTile,
    buffer: &'a mut [f32],
}

impl Job for CopyInputs<'_> {
    #[inline(always)]
    fn run(self) {
        let planes = self.x.chunks_exact(self.size[0] * self.size[1]);
        for (channel, plane) in planes.enumerate() {
            self.layout
                .fill(self.buffer, channel, plane, self.size, self.tile);
        }
    }
}

/// The computation of one tile from the copy of its inputs.
struct TileTask<'a> {
    conv: &'a DirectConv,
    group: usize,
    buffer: &'a [f32],
    offsets: &'a [u32],
    activation: Activation,
    pitch: usize,
    size: [usize; 2],
}

impl TileTask<'_> {
    /// Computes `R` output channels at a time. Rows of the tile follow each other at the pitch of the
    /// copy, so a vector may extend over the end of a row. Results between the rows are dropped.
    fn run<const R: usize>(&self, lines: &mut [&mut [f32]]) {
        let span = (self.size[0] - 1) * self.pitch + self.size[1];
        let depth = self.offsets.len();
        let padded = self.conv.outputs.next_multiple_of(R);
        let weights = &self.conv.weights[self.group * padded * depth..][..padded * depth];
        let bias = &self.conv.bias[self.group * padded..][..padded];
        let panels = weights.as_chunks::<R>().0.chunks_exact(depth);
        for ((weights, bias), lines) in panels
            .zip(bias.as_chunks::<R>().0)
            .zip(lines.chunks_mut(R * self.size[0]))
        {
            let mut start = 0;
            while start < span {
                match span - start {
                    ..=16 => self.block::<R, 1>(weights, bias, start, lines),
                    17..=32 => self.block::<R, 2>(weights, bias, start, lines),
                    33.. => self.block::<R, 3>(weights, bias, start, lines),
                }
                start += 48;
            }
        }
    }

    fn block<const R: usize, const V: usize>(
        &self,
        weights: &[[f32; R]],
        bias: &[f32; R],
        start: usize,
        lines: &mut [&mut [f32]],
    ) {
        let mut tile = bias.map(|bias| [[bias; 16]; V]);
        let inputs = &self.buffer[start..];
        let isa = self.conv.isa;
        micro_kernel::multiply(
            isa,
            weights,
            inputs,
            self.offsets,
            self.activation,
            &mut tile,
        );
        let [height, width] = self.size;
        let end = (start + V * 16).min((height - 1) * self.pitch + width);
        let (mut row, mut column) = (start / self.pitch, start % self.pitch);
        let mut at = start;
        while at < end {
            if column < width {
                let count = (width - column).min(end - at);
                for (channel, tile) in lines.chunks_exact_mut(height).zip(&tile) {
                    let values: &[f32] = <[Lanes]>::as_flattened(tile);
                    channel[row][column..column + count]
                        .copy_from_slice(&values[at - start..][..count]);
                }
            }
            at += self.pitch - column;
            (row, column) = (row + 1, 0);
        }
    }
}
