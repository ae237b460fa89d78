//! Modulated deformable convolution 3×3, stride 1, padding 1 (spec section 0).

use burn::tensor::{Int, Tensor, activation, module, ops::DeformConvOptions};

use super::{
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
    match Filter::new(&weight, &bias, modulation.dims()[1] / 9) {
        Some(filter) => filter.apply(&x, &Sites::Given { offset, modulation }),
        None => deform_conv_plain(x, offset, modulation, weight, bias),
    }
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

/// How devices other than the CPU convolve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeformForm {
    /// All samples first, `9 · C · H · W` of them ([`deform_conv_plain`]): faster.
    #[default]
    Columns,
    /// Tap by tap ([`deform_conv_taps`]): few times `C · H · W`.
    Taps,
}

impl DeformForm {
    /// [`deform_conv`] in this form, on any device.
    pub fn convolve(
        self,
        x: Tensor<4>,
        offset: Tensor<4>,
        modulation: Tensor<4>,
        weight: Tensor<4>,
        bias: Tensor<1>,
    ) -> Tensor<4> {
        match self {
            Self::Columns => deform_conv_plain(x, offset, modulation, weight, bias),
            Self::Taps => deform_conv_taps(x, offset, modulation, weight, bias),
        }
    }
}

/// As [`deform_conv_plain`], summed over the taps in tensor operations.
pub fn deform_conv_taps(
    x: Tensor<4>,
    offset: Tensor<4>,
    modulation: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let (groups, outputs) = (modulation.dims()[1] / 9, weight.dims()[0]);
    let [rows, pixels] = [batch * groups, height * width];
    let offset: Tensor<3> = wide(offset).reshape([rows, 18, pixels]);
    let modulation: Tensor<3> = wide(modulation).reshape([rows, 9, pixels]);
    let weight: Tensor<3> = wide(weight).reshape([outputs, channels, 9]);
    let bias: Tensor<3> = wide(bias).reshape([1, outputs, 1]);
    let place = |axis: usize, shape: [usize; 4]| {
        let size = [height, width][axis] as i64;
        let places = Tensor::<1, Int>::arange(0..size, &x.device()).float();
        let places: Tensor<4> = wide(places).reshape(shape);
        places.expand([1, 1, height, width]).reshape([1, 1, pixels])
    };
    let places: [Tensor<3>; 2] = [place(0, [1, 1, height, 1]), place(1, [1, 1, 1, width])];
    widened(x, |x| {
        let x: Tensor<3> = x.reshape([rows, channels / groups, pixels]);
        let tap = |tap: usize| {
            let at = |axis: usize| {
                let step = [tap / 3, tap % 3][axis] as f32 - 1.0;
                offset.clone().narrow(1, 2 * tap + axis, 1) + places[axis].clone() + step
            };
            let strength = modulation.clone().narrow(1, tap, 1);
            let samples = sample(&x, [at(0), at(1)], strength, [height, width]);
            let weight = weight
                .clone()
                .narrow(2, tap, 1)
                .reshape([1, outputs, channels]);
            weight.matmul(samples.reshape([batch, channels, pixels])) // [B, O, H·W]
        };
        let sum = (1..9).fold(tap(0), |sum, index| sum + tap(index));
        (sum + bias).reshape([batch, outputs, height, width])
    })
}

/// Bilinear samples of `x` `[N, C, H·W]` at `y` and `x` `[N, 1, H·W]`, zero outside, times
/// `strength`.
fn sample(
    x: &Tensor<3>,
    [sy, sx]: [Tensor<3>; 2],
    strength: Tensor<3>,
    [height, width]: [usize; 2],
) -> Tensor<3> {
    let (top, left) = (sy.clone().floor(), sx.clone().floor());
    let (dy, dx) = (sy - top.clone(), sx - left.clone());
    let corner = |down: f32, right: f32| {
        let (row, column) = (top.clone() + down, left.clone() + right);
        let last = [height, width].map(|size| (size - 1) as f32);
        let inside = [
            row.clone().clamp(0.0, last[0]),
            column.clone().clamp(0.0, last[1]),
        ];
        let seen = row.equal(inside[0].clone()).float() * column.equal(inside[1].clone()).float();
        let share = |part: &Tensor<3>, far: f32| match far {
            0.0 => -part.clone() + 1.0,
            _ => part.clone(),
        };
        let weight = share(&dy, down) * share(&dx, right) * wide(seen) * strength.clone();
        let [row, column] = inside;
        let index = (row * width as f32 + column).int().expand(x.dims());
        x.clone().gather(2, index) * weight
    };
    let corners = [(0.0, 1.0), (1.0, 0.0), (1.0, 1.0)];
    corners
        .into_iter()
        .fold(corner(0.0, 0.0), |sum, (down, right)| {
            sum + corner(down, right)
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
