//! Modulated deformable convolution (DCNv2) with a 3×3 kernel, stride 1, padding 1 (spec
//! section 0).

#[cfg(feature = "training")]
mod backward;
mod cpu;
mod cube;
mod sampler;

use burn::tensor::{Tensor, activation, module, ops::DeformConvOptions};

pub use self::{cpu::PackedDeformConv, cube::pack_weight};
use super::upcast::{in_f32, upcast};

/// The offsets and the modulation of every tap at every pixel.
#[derive(Clone, Debug)]
pub enum SamplingPoints {
    /// Offsets and modulation as they are applied.
    Given {
        /// `[B, 2·G·9, H, W]`, ordered (group, tap, (dy, dx)), in pixels.
        offset: Tensor<4>,
        /// `[B, G·9, H, W]`, ordered (group, tap).
        modulation: Tensor<4>,
    },
    /// The output of the network that predicts them. Offsets are `limit` · tanh of the first two
    /// thirds of the channels, plus the flow; the modulation is the sigmoid of the last third.
    Learned {
        /// `[B, 3·G·9, H, W]`
        raw: Tensor<4>,
        /// The largest learned offset, in pixels.
        limit: f32,
        /// `[B, 2, H, W]`, in pixels, (x, y). It is added to the offsets of every group and tap.
        flow: Option<Tensor<4>>,
    },
}

impl SamplingPoints {
    /// Returns the number of groups of channels that have points of their own.
    fn groups(&self) -> usize {
        match self {
            Self::Given { modulation, .. } => modulation.dims()[1] / 9,
            Self::Learned { raw, .. } => raw.dims()[1] / 27,
        }
    }

    /// Returns the offsets and the modulation, shaped as in [`SamplingPoints::Given`]. Those of
    /// [`SamplingPoints::Learned`] are in 32 bits.
    pub fn resolve(self) -> (Tensor<4>, Tensor<4>) {
        match self {
            Self::Given { offset, modulation } => (offset, modulation),
            Self::Learned { raw, limit, flow } => {
                let [batch, channels, ..] = raw.dims();
                let split = channels / 3 * 2;
                let raw = upcast(raw);
                let mut offset = raw.clone().slice([0..batch, 0..split]).tanh() * limit;
                if let Some(flow) = flow {
                    // Offsets are ordered (dy, dx), flows (x, y).
                    offset = offset + upcast(flow).flip([1]).repeat_dim(1, split / 2);
                }
                let modulation = activation::sigmoid(raw.slice([0..batch, split..channels]));
                (offset, modulation)
            }
        }
    }
}

/// Convolves `x` at the given points. Samples outside the image are zero. To convolve more than
/// once with the same weights, keep a [`PackedDeformConv`].
///
/// - `x`: `[B, C, H, W]`
/// - `offset`, `modulation`: as in [`SamplingPoints::Given`]
/// - `weight`: `[O, C, 3, 3]`
/// - `bias`: `[O]`
///
/// Returns `[B, O, H, W]`.
pub fn deform_conv(
    x: Tensor<4>,
    offset: Tensor<4>,
    modulation: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
) -> Tensor<4> {
    deform_conv_at(
        x,
        SamplingPoints::Given { offset, modulation },
        weight,
        bias,
    )
}

/// Convolves as [`deform_conv`] does, at any points. On a device that records operations, a flow of the
/// points is a constant.
pub fn deform_conv_at(
    x: Tensor<4>,
    points: SamplingPoints,
    weight: Tensor<4>,
    bias: Tensor<1>,
) -> Tensor<4> {
    #[cfg(feature = "training")]
    if x.is_autodiff() || weight.is_autodiff() {
        return backward::deform_conv(&x, &points, &weight, &bias).unwrap_or_else(|| {
            let (offset, modulation) = points.resolve();
            deform_conv_reference(x, offset, modulation, weight, bias)
        });
    }
    let groups = points.groups();
    match PackedDeformConv::new(&weight, &bias, groups) {
        Some(packed) => packed.apply(&x, &points),
        None => deform_conv_on_gpu(&x, &points, &pack_weight(weight, groups), &bias, groups),
    }
}

/// Convolves `x`, a tensor of a CubeCL device, with a weight that [`pack_weight`] packed. The other
/// arguments and the result are those of [`deform_conv`].
///
/// # Panics
/// Panics if a tensor is on the CPU device.
pub fn deform_conv_on_gpu(
    x: &Tensor<4>,
    points: &SamplingPoints,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
    groups: usize,
) -> Tensor<4> {
    cube::deform_conv(x, points, weight, bias, groups).expect("a tensor of a CubeCL device")
}

/// Computes [`deform_conv`] with the tensor library's operation, in 32 bits, because the operation
/// computes positions in the data type that it is given.
pub fn deform_conv_reference(
    x: Tensor<4>,
    offset: Tensor<4>,
    modulation: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
) -> Tensor<4> {
    let groups = modulation.dims()[1] / 9;
    let options = DeformConvOptions::new([1, 1], [1, 1], [1, 1], 1, groups);
    let (offset, modulation) = (upcast(offset), Some(upcast(modulation)));
    let (weight, bias) = (upcast(weight), Some(upcast(bias)));
    in_f32(x, |x| {
        module::deform_conv2d(x, offset, weight, modulation, bias, options)
    })
}
