//! The CPU form of deformable convolution: samples, then a matrix product.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{
    SamplingPoints,
    sampler::{Planes, PointPlanes, Sampler},
};
use crate::{
    device::isa::Isa,
    kernels::{cpu::host_view::HostView, linear::PackedLinear},
};

/// Pixels of one task. Their samples stay in the second-level cache beside the weights.
const STRIP: usize = 32;

/// The weights and bias of a deformable convolution, packed for the CPU.
#[derive(Debug)]
pub struct PackedDeformConv {
    /// Samples, ordered (group, tap, channel of the group), × output channels.
    matrix: PackedLinear,
    groups: usize,
    isa: Isa,
}

impl PackedDeformConv {
    /// Packs `weight` `[O, C, 3, 3]` and `bias` `[O]`; returns `None` if they are not on the CPU
    /// device.
    pub fn new(weight: &Tensor<4>, bias: &Tensor<1>, groups: usize) -> Option<Self> {
        let [outputs, channels, ..] = weight.dims();
        let (weight, bias) = (HostView::of(weight)?, HostView::of(bias)?);
        let (weight, shape) = (weight.slice(), [outputs, channels]);
        Some(Self::pack(weight, shape, bias.slice(), groups, Isa::best()))
    }

    /// Packs slices, as [`PackedDeformConv::new`] packs tensors, for a given instruction set.
    pub fn pack(
        weight: &[f32],
        [outputs, channels]: [usize; 2],
        bias: &[f32],
        groups: usize,
        isa: Isa,
    ) -> Self {
        let each = channels / groups;
        let mut rows = vec![0.0; weight.len()];
        for (index, &value) in weight.iter().enumerate() {
            let (output, channel, tap) = (index / 9 / channels, index / 9 % channels, index % 9);
            let row = (channel / each * 9 + tap) * each + channel % each;
            rows[row * outputs + output] = value;
        }
        Self {
            matrix: PackedLinear::pack(&rows, bias, isa),
            groups,
            isa,
        }
    }

    /// Convolves `x` `[B, C, H, W]`, a tensor of the CPU device. Returns `[B, O, H, W]`.
    ///
    /// # Panics
    /// Panics if a tensor is not on the CPU device, or if the shapes do not match.
    pub fn apply(&self, x: &Tensor<4>, points: &SamplingPoints) -> Tensor<4> {
        let [batches, channels, height, width] = x.dims();
        let view = |tensor: &Tensor<4>, channels: usize| {
            assert_eq!(tensor.dims(), [batches, channels, height, width]);
            HostView::of(tensor).expect("a tensor of the weights' device")
        };
        let taps = 9 * self.groups;
        let (offset, modulation, limit, flow) = match points {
            SamplingPoints::Given { offset, modulation } => {
                (view(offset, 2 * taps), view(modulation, taps), None, None)
            }
            SamplingPoints::Learned { raw, limit, flow } => {
                let flow = flow.as_ref().map(|flow| view(flow, 2));
                (view(raw, 3 * taps), view(raw, 3 * taps), Some(*limit), flow)
            }
        };
        let size = [height, width];
        let planes = PointPlanes {
            offset: Planes::new(offset.slice(), size, batches),
            modulation: Planes::new(modulation.slice(), size, batches),
            limit,
            flow: flow
                .as_ref()
                .map(|flow| Planes::new(flow.slice(), size, batches)),
        };
        let x = view(x, channels);
        let out = self.convolve(Planes::new(x.slice(), size, batches), planes);
        x.tensor(out, [batches, self.matrix.outputs(), height, width])
    }

    fn convolve(&self, x: Planes<'_>, points: PointPlanes<'_>) -> Vec<f32> {
        let outputs = self.matrix.outputs();
        let plane = x.plane();
        let mut out = vec![0.0; x.batches() * outputs * plane];
        let strips = plane.div_ceil(STRIP);
        let mut tasks: Vec<Vec<&mut [f32]>> = Vec::new();
        tasks.resize_with(x.batches() * strips, || Vec::with_capacity(outputs));
        for (index, line) in out.chunks_exact_mut(plane).enumerate() {
            for (strip, piece) in line.chunks_mut(STRIP).enumerate() {
                tasks[index / outputs * strips + strip].push(piece);
            }
        }
        let sampler = Sampler::new(x, points, self.groups, self.isa);
        tasks.into_par_iter().enumerate().for_each_init(
            || (sampler.buffers(STRIP), vec![0.0; STRIP * outputs]),
            |(buffers, rows), (task, mut lines)| {
                let start = task % strips * STRIP;
                let pixels = start..plane.min(start + STRIP);
                let rows = &mut rows[..pixels.len() * outputs];
                let samples = sampler.sample(task / strips, pixels, buffers);
                self.matrix.multiply_packed(samples, rows);
                for (pixel, row) in rows.chunks_exact(outputs).enumerate() {
                    for (line, &value) in lines.iter_mut().zip(row) {
                        line[pixel] = value;
                    }
                }
            },
        );
        out
    }
}
