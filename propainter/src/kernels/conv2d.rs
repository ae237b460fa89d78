//! Two-dimensional convolution (cross-correlation) with bias and activation.

use burn::tensor::{Tensor, activation, module, ops::ConvOptions};
use rayon::prelude::*;

use super::{
    host::{self, HostView},
    isa::Isa,
    patch::{Layout, Window},
    tile::{self, Lanes},
};

/// How a convolution steps over its input. The default is k3 s1 p1 (spec: `k3 p1`).
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
}

impl Default for Geometry {
    fn default() -> Self {
        Self {
            stride: [1, 1],
            padding: [1, 1],
            dilation: [1, 1],
            groups: 1,
        }
    }
}

impl Geometry {
    pub fn padding(rows: usize, columns: usize) -> Self {
        Self {
            padding: [rows, columns],
            ..Self::default()
        }
    }

    pub fn stride(self, stride: usize) -> Self {
        Self {
            stride: [stride, stride],
            ..self
        }
    }

    pub fn dilation(self, dilation: usize) -> Self {
        Self {
            dilation: [dilation, dilation],
            ..self
        }
    }

    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Height and width of the output for an input and kernel of these sizes.
    fn output(&self, input: [usize; 2], kernel: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            let covered = self.dilation[axis] * (kernel[axis] - 1) + 1;
            let padded = input[axis] + 2 * self.padding[axis];
            padded
                .checked_sub(covered)
                .map_or(0, |room| room / self.stride[axis] + 1)
        })
    }
}

/// What follows a convolution at once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    #[default]
    None,
    Relu,
    /// Leaky ReLU with this slope below zero, from 0 to 1.
    Leaky(f64),
}

impl Activation {
    /// The activation of one value.
    pub fn apply(self, value: f32) -> f32 {
        match self {
            Self::None => value,
            Self::Relu if value < 0.0 => 0.0,
            Self::Leaky(slope) if value < 0.0 => value * slope as f32,
            _ => value,
        }
    }
}

/// The plain twin of [`Filter::apply`]: the library's operations.
///
/// `x` `[B, I, H, W]`, `weight` `[O, I/groups, kh, kw]`, `bias` `[O]`; result `[B, O, H', W']`.
pub fn conv2d_plain(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    geometry: Geometry,
    activation: Activation,
) -> Tensor<4> {
    let Geometry {
        stride,
        padding,
        dilation,
        groups,
    } = geometry;
    let options = ConvOptions::new(stride, padding, dilation, groups);
    let out = module::conv2d(x, weight, Some(bias), options);
    match activation {
        Activation::None => out,
        Activation::Relu => activation::relu(out),
        Activation::Leaky(slope) => activation::leaky_relu(out, slope),
    }
}

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
    /// Output channels computed together.
    rows: usize,
    isa: Isa,
}

impl Filter {
    /// `weight` `[O, I/groups, kh, kw]`, `bias` `[O]`; `None` where they are not `f32` tensors
    /// of the CPU device.
    pub fn new(weight: &Tensor<4>, bias: &Tensor<1>, groups: usize) -> Option<Self> {
        let shape = weight.dims();
        let (weight, bias) = (HostView::of(weight)?, HostView::of(bias)?);
        let filter = Self::pack(weight.slice(), shape, bias.slice(), groups, Isa::best());
        Some(filter)
    }

    /// As [`Filter::new`], from slices and for a given instruction set.
    pub fn pack(
        weight: &[f32],
        [outputs, inputs, kh, kw]: [usize; 4],
        bias: &[f32],
        groups: usize,
        isa: Isa,
    ) -> Self {
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
            rows,
            isa,
        }
    }

    /// `x` `[B, I, H, W]` of the CPU device → `[B, O, H', W']`, activated.
    ///
    /// # Panics
    /// When `x` has other channels than the weights, or is no `f32` tensor of the CPU device.
    pub fn apply(&self, x: &Tensor<4>, geometry: Geometry, activation: Activation) -> Tensor<4> {
        let values = HostView::of(x).expect("an f32 tensor of the weights' device");
        let (out, shape) = self.convolve(values.slice(), x.dims(), geometry, activation);
        host::tensor(out, shape)
    }

    /// As [`Filter::apply`], on slices.
    pub fn convolve(
        &self,
        x: &[f32],
        [batches, channels, height, width]: [usize; 4],
        geometry: Geometry,
        activation: Activation,
    ) -> (Vec<f32>, [usize; 4]) {
        let groups = geometry.groups;
        assert_eq!(channels, self.inputs * groups, "input channels");
        let size = geometry.output([height, width], self.kernel);
        let shape = [batches, groups * self.outputs, size[0], size[1]];
        let mut out = vec![0.0; shape.iter().product()];
        if out.is_empty() {
            return (out, shape);
        }
        let grid = Grid::new(geometry, self, size, batches * groups);
        let layout = Layout::new(geometry, self.kernel, grid.rows(), grid.columns());
        let offsets = layout.offsets(self.inputs, self.kernel);
        let plane = height * width;
        grid.tiles(&mut out, self.outputs)
            .into_par_iter()
            .with_max_len(1)
            .enumerate()
            .for_each_init(
                || vec![0.0; layout.len(self.inputs, 48)],
                |patch, (index, mut lines)| {
                    let (picture, window) = grid.window(index);
                    let x = &x[picture * self.inputs * plane..][..self.inputs * plane];
                    for (channel, plane) in x.chunks_exact(plane).enumerate() {
                        layout.fill(patch, channel, plane, [height, width], window);
                    }
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
                },
            );
        (out, shape)
    }
}

/// How the output is cut into tiles: equal ones, few enough inputs each to stay in the cache,
/// and as many as keep all threads busy to the end.
struct Grid {
    size: [usize; 2],
    cuts: [usize; 2],
}

impl Grid {
    fn new(geometry: Geometry, filter: &Filter, size: [usize; 2], pictures: usize) -> Self {
        let across = size[1].div_ceil(COLUMNS);
        let columns = size[1].div_ceil(across);
        // A layout of one row and one of two tell what a row costs and what the halo does.
        let len = |rows| Layout::new(geometry, filter.kernel, rows, columns).len(filter.inputs, 0);
        let (one, row) = (len(1), (len(2) - len(1)).max(1));
        let rows = (PATCH.saturating_sub(one) / row + 1).min(size[0]);
        let mut down = size[0].div_ceil(rows);
        let threads = rayon::current_num_threads();
        while pictures * across * down < 8 * threads
            && !(pictures * across * down).is_multiple_of(threads)
            && down < size[0]
        {
            down += 1;
        }
        Self {
            size,
            cuts: [down, across],
        }
    }

    /// Rows of the largest tile.
    fn rows(&self) -> usize {
        self.size[0].div_ceil(self.cuts[0])
    }

    fn columns(&self) -> usize {
        self.size[1].div_ceil(self.cuts[1])
    }

    /// Where part `index` of an axis starts.
    fn start(&self, axis: usize, index: usize) -> usize {
        index * self.size[axis] / self.cuts[axis]
    }

    /// Picture (batch and group) and place of a tile.
    fn window(&self, tile: usize) -> (usize, Window) {
        let [down, across] = self.cuts;
        let place = [tile / across % down, tile % across];
        let start = [0, 1].map(|axis| self.start(axis, place[axis]));
        let end = [0, 1].map(|axis| self.start(axis, place[axis] + 1));
        let size = [end[0] - start[0], end[1] - start[1]];
        (tile / (down * across), Window { start, size })
    }

    /// The lines of `out` that belong to each tile, ordered (channel, row).
    fn tiles<'a>(&self, out: &'a mut [f32], channels: usize) -> Vec<Vec<&'a mut [f32]>> {
        let [down, across] = self.cuts;
        let [height, width] = self.size;
        let pictures = out.len() / (channels * height * width);
        let mut tiles: Vec<Vec<&mut [f32]>> = Vec::new();
        tiles.resize_with(pictures * down * across, || {
            Vec::with_capacity(channels * self.rows())
        });
        let mut lines = out.chunks_exact_mut(width);
        for picture in 0..pictures {
            for _ in 0..channels {
                for y in 0..down {
                    for _ in self.start(0, y)..self.start(0, y + 1) {
                        let mut line = lines.next().unwrap_or_default();
                        for x in 0..across {
                            let count = self.start(1, x + 1) - self.start(1, x);
                            let (piece, rest) = line.split_at_mut(count);
                            tiles[(picture * down + y) * across + x].push(piece);
                            line = rest;
                        }
                    }
                }
            }
        }
        tiles
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
