//! Modulated deformable convolution 3×3, stride 1, padding 1 (spec section 0).

use burn::tensor::{Tensor, activation, module, ops::DeformConvOptions};

pub use super::cube::deform_conv::pack;
use super::{
    cube,
    deform_sample::{Planes, Sampler, Source},
    host::HostView,
    isa::Isa,
    linear::Matrix,
    wide::{wide, widened},
};
use rayon::prelude::*;

/// Pixels of one task: their samples stay in the second-level cache beside the weights.
const STRIP: usize = 32;

/// Where and how strongly each tap samples, as the network gives it.
#[derive(Clone, Debug)]
pub enum Sites {
    Given {
        /// `[B, 2·G·9, H, W]`, ordered (group, tap, (dy, dx)), in pixels
        offset: Tensor<4>,
        /// `[B, G·9, H, W]`
        modulation: Tensor<4>,
    },
    /// Offsets are `limit` · tanh of the first two thirds, plus the flow; modulation is the
    /// sigmoid of the last third.
    Learned {
        /// `[B, 3·G·9, H, W]`
        raw: Tensor<4>,
        limit: f32,
        /// `[B, 2, H, W]`, in pixels, (x, y); added to the offsets of every group and tap
        flow: Option<Tensor<4>>,
    },
}

impl Sites {
    /// Offsets and modulation, as in [`Sites::Given`]; learned ones in 32 bits.
    pub fn resolve(self) -> (Tensor<4>, Tensor<4>) {
        match self {
            Self::Given { offset, modulation } => (offset, modulation),
            Self::Learned { raw, limit, flow } => {
                let [batch, channels, ..] = raw.dims();
                let split = channels / 3 * 2;
                let raw = wide(raw);
                let mut offset = raw.clone().slice([0..batch, 0..split]).tanh() * limit;
                if let Some(flow) = flow {
                    // Offsets come as (dy, dx), flows as (x, y).
                    offset = offset + wide(flow).flip([1]).repeat_dim(1, split / 2);
                }
                let modulation = activation::sigmoid(raw.slice([0..batch, split..channels]));
                (offset, modulation)
            }
        }
    }
}

/// Deformable convolution of `x`.
///
/// - `x`: `[B, C, H, W]`
/// - `offset`, `modulation`: as in [`Sites::Given`]
/// - `weight`: `[O, C, 3, 3]`, `bias`: `[O]`
///
/// Result `[B, O, H, W]`. Samples outside the picture are zero. Who convolves more than once
/// keeps a [`Filter`].
pub fn deform_conv(
    x: Tensor<4>,
    offset: Tensor<4>,
    modulation: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
) -> Tensor<4> {
    let groups = modulation.dims()[1] / 9;
    let sites = Sites::Given { offset, modulation };
    match Filter::new(&weight, &bias, groups) {
        Some(filter) => filter.apply(&x, &sites),
        None => on_card(&x, &sites, &pack(weight, groups), &bias, groups),
    }
}

/// Deformable convolution of `x` of a card, `weight` as [`pack`] gives it, the rest as in
/// [`deform_conv`].
///
/// # Panics
/// When a tensor is of the CPU device.
pub fn on_card(
    x: &Tensor<4>,
    sites: &Sites,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
    groups: usize,
) -> Tensor<4> {
    cube::deform_conv::deform_conv(x, sites, weight, bias, groups).expect("a tensor of a card")
}

/// The plain twin of [`deform_conv`]: the library's operation, in 32 bits: it works out where to
/// sample in the numbers it is given.
pub fn deform_conv_plain(
    x: Tensor<4>,
    offset: Tensor<4>,
    modulation: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
) -> Tensor<4> {
    let groups = modulation.dims()[1] / 9;
    let options = DeformConvOptions::new([1, 1], [1, 1], [1, 1], 1, groups);
    let (offset, modulation) = (wide(offset), Some(wide(modulation)));
    let (weight, bias) = (wide(weight), Some(wide(bias)));
    widened(x, |x| {
        module::deform_conv2d(x, offset, weight, modulation, bias, options)
    })
}

/// The weights in the order in which the CPU wants them.
#[derive(Debug)]
pub struct Filter {
    /// Samples (group, tap, channel of the group) × output channels.
    matrix: Matrix,
    groups: usize,
    isa: Isa,
}

impl Filter {
    /// `weight` `[O, C, 3, 3]`, `bias` `[O]`; `None` where they are no tensors of the CPU
    /// device.
    pub fn new(weight: &Tensor<4>, bias: &Tensor<1>, groups: usize) -> Option<Self> {
        let [outputs, channels, ..] = weight.dims();
        let (weight, bias) = (HostView::of(weight)?, HostView::of(bias)?);
        let (weight, shape) = (weight.slice(), [outputs, channels]);
        Some(Self::pack(weight, shape, bias.slice(), groups, Isa::best()))
    }

    /// As [`Filter::new`], from slices and for a given instruction set.
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
            matrix: Matrix::pack(&rows, bias, isa),
            groups,
            isa,
        }
    }

    /// `x` `[B, C, H, W]` of the CPU device → `[B, O, H, W]`
    ///
    /// # Panics
    /// When a tensor is none of the CPU device, or the shapes don't fit.
    pub fn apply(&self, x: &Tensor<4>, sites: &Sites) -> Tensor<4> {
        let [batches, channels, height, width] = x.dims();
        let view = |tensor: &Tensor<4>, channels: usize| {
            assert_eq!(tensor.dims(), [batches, channels, height, width]);
            HostView::of(tensor).expect("a tensor of the weights' device")
        };
        let taps = 9 * self.groups;
        let (offset, modulation, limit, flow) = match sites {
            Sites::Given { offset, modulation } => {
                (view(offset, 2 * taps), view(modulation, taps), None, None)
            }
            Sites::Learned { raw, limit, flow } => {
                let flow = flow.as_ref().map(|flow| view(flow, 2));
                (view(raw, 3 * taps), view(raw, 3 * taps), Some(*limit), flow)
            }
        };
        let size = [height, width];
        let source = Source {
            offset: Planes::new(offset.slice(), size, batches),
            modulation: Planes::new(modulation.slice(), size, batches),
            limit,
            flow: flow
                .as_ref()
                .map(|flow| Planes::new(flow.slice(), size, batches)),
        };
        let x = view(x, channels);
        let out = self.convolve(Planes::new(x.slice(), size, batches), source);
        x.tensor(out, [batches, self.matrix.outputs(), height, width])
    }

    fn convolve(&self, x: Planes<'_>, source: Source<'_>) -> Vec<f32> {
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
        let sampler = Sampler::new(x, source, self.groups, self.isa);
        tasks.into_par_iter().enumerate().for_each_init(
            || (sampler.scratch(STRIP), vec![0.0; STRIP * outputs]),
            |(scratch, rows), (task, mut lines)| {
                let start = task % strips * STRIP;
                let pixels = start..plane.min(start + STRIP);
                let rows = &mut rows[..pixels.len() * outputs];
                let samples = sampler.sample(task / strips, pixels, scratch);
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
