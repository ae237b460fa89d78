//! Convolution by every product of its definition: the weights against a padded copy of the
//! input, tile by tile.

use rayon::prelude::*;

use super::{
    conv2d::{Activation, Geometry},
    grid::Grid,
    isa::{Isa, Job},
    patch::{Layout, Window},
    scratch,
    tile::{self, Lanes},
};

/// Elements of a tile's input that stay in the second-level cache beside the weights.
const PATCH: usize = 96 << 10;

/// Outputs of a tile's row; wider pictures are cut.
const COLUMNS: usize = 256;

/// A convolution's weights in the order in which the CPU wants them.
#[derive(Debug)]
pub struct Filter {
    /// Per group, per `rows` output channels: (input channel, tap) × `rows`.
    weights: Vec<f32>,
    /// Per group, a multiple of `rows`.
    bias: Vec<f32>,
    /// Channels of one group.
    inputs: usize,
    outputs: usize,
    kernel: [usize; 2],
    geometry: Geometry,
    /// Output channels computed together.
    rows: usize,
    isa: Isa,
}

impl Filter {
    /// `weight` `[O, I/groups, kh, kw]`, `bias` `[O]`
    pub fn pack(
        weight: &[f32],
        [outputs, inputs, kh, kw]: [usize; 4],
        bias: &[f32],
        geometry: Geometry,
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

    /// `x` `[B, I, H, W]` → `[B, O, H', W']`, activated
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
        let grid = Grid::new(size, batches * groups, self.tile(size), [1, 1]);
        let [rows, columns] = grid.largest();
        let layout = Layout::new(geometry, self.kernel, rows, columns);
        let offsets = layout.offsets(self.inputs, self.kernel);
        let plane = height * width;
        grid.tiles(&mut out, self.outputs)
            .into_par_iter()
            .with_max_len(1)
            .enumerate()
            .for_each(|(index, mut lines)| {
                scratch::with(layout.len(self.inputs, 48), |patch| {
                    let (picture, window) = grid.window(index);
                    let x = &x[picture * self.inputs * plane..][..self.inputs * plane];
                    self.isa.run(Fill {
                        layout: &layout,
                        x,
                        size: [height, width],
                        window,
                        patch,
                    });
                    let strip = Strip {
                        filter: self,
                        group: picture % groups,
                        patch,
                        offsets: &offsets,
                        activation,
                        pitch: layout.pitch,
                        size: window.size,
                    };
                    match self.rows {
                        4 => strip.run::<4>(&mut lines),
                        _ => strip.run::<8>(&mut lines),
                    }
                });
            });
        (out, shape)
    }

    /// Rows and columns of a tile, so that its inputs stay in the cache.
    fn tile(&self, size: [usize; 2]) -> [usize; 2] {
        let columns = size[1].div_ceil(size[1].div_ceil(COLUMNS));
        // Layouts of one row and of two tell what a row costs, and what the halo does.
        let len = |rows| Layout::new(self.geometry, self.kernel, rows, columns).len(self.inputs, 0);
        let (one, row) = (len(1), (len(2) - len(1)).max(1));
        [PATCH.saturating_sub(one) / row + 1, columns]
    }
}

/// The copy of all channels of one tile's inputs.
struct Fill<'a> {
    layout: &'a Layout,
    /// Planes of `size`.
    x: &'a [f32],
    size: [usize; 2],
    window: Window,
    patch: &'a mut [f32],
}

impl Job for Fill<'_> {
    #[inline(always)]
    fn run(self) {
        let planes = self.x.chunks_exact(self.size[0] * self.size[1]);
        for (channel, plane) in planes.enumerate() {
            self.layout
                .fill(self.patch, channel, plane, self.size, self.window);
        }
    }
}

/// One tile's work, its inputs in place.
struct Strip<'a> {
    filter: &'a Filter,
    group: usize,
    patch: &'a [f32],
    offsets: &'a [u32],
    activation: Activation,
    pitch: usize,
    size: [usize; 2],
}

impl Strip<'_> {
    /// Rows of the tile follow each other at the patch's pitch, so that a vector may run over
    /// a row's end; what falls between the rows is computed and dropped.
    fn run<const R: usize>(&self, lines: &mut [&mut [f32]]) {
        let span = (self.size[0] - 1) * self.pitch + self.size[1];
        let depth = self.offsets.len();
        let padded = self.filter.outputs.next_multiple_of(R);
        let weights = &self.filter.weights[self.group * padded * depth..][..padded * depth];
        let bias = &self.filter.bias[self.group * padded..][..padded];
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
        let patch = &self.patch[start..];
        let isa = self.filter.isa;
        tile::multiply(
            isa,
            weights,
            patch,
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
