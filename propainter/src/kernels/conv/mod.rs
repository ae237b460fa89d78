//! Two-dimensional convolution (cross-correlation) with bias and activation.
//!
//! The CPU has two algorithms: `direct` computes every product of the definition, `winograd` needs
//! fewer for kernels of 3 and 5 taps with stride 1. Both cut their output into the tiles of
//! `tiling` and read the zero-padded copies of `padded`. On a GPU a convolution is an implicit matrix
//! product (`cube`).

#[cfg(feature = "training")]
mod backward;
pub mod cube;
mod direct;
mod geometry;
mod padded;
mod tiling;
pub(crate) mod winograd;

use burn::tensor::{Tensor, activation, module, ops::ConvOptions};

pub use self::geometry::ConvGeometry;
use self::{direct::DirectConv, winograd::WinogradConv};
pub use super::activation::Activation;
use super::{cpu::host_view::HostView, upcast::upcast};
use crate::device::isa::Isa;

/// Convolves with the tensor library's operation.
///
/// - `x`: `[B, I, H, W]`
/// - `weight`: `[O, I/groups, kh, kw]`
/// - `bias`: `[O]`
///
/// Returns `[B, O, H', W']` in the data type of `x`.
pub fn conv2d_reference(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    geometry: ConvGeometry,
    activation: Activation,
) -> Tensor<4> {
    #[cfg(feature = "training")]
    if x.is_autodiff()
        && let Some(out) = backward::conv2d(&x, &weight, &bias, geometry, activation)
    {
        return out;
    }
    let ConvGeometry {
        stride,
        padding,
        dilation,
        groups,
    } = geometry;
    let dtype = x.dtype();
    // With groups the library accumulates in the data type that it is given.
    let x = if groups > 1 { upcast(x) } else { x };
    let (weight, bias) = (weight.cast(x.dtype()), bias.cast(x.dtype()));
    let options = ConvOptions::new(stride, padding, dilation, groups);
    let out = module::conv2d(x, weight, Some(bias), options).cast(dtype);
    activate(out, activation)
}

/// Applies an activation with the tensor library's operation.
pub fn activate(x: Tensor<4>, activation: Activation) -> Tensor<4> {
    #[cfg(feature = "training")]
    if let Activation::Leaky(slope) = activation
        && x.is_autodiff()
    {
        return backward::leaky_relu(&x, slope);
    }
    match activation {
        Activation::None => x,
        Activation::Relu => activation::relu(x),
        Activation::Leaky(slope) => activation::leaky_relu(x, slope),
    }
}

/// A convolution's weights and bias, packed for a CPU algorithm.
#[derive(Debug)]
pub struct PackedConv(Packed);

#[derive(Debug)]
enum Packed {
    Direct(DirectConv),
    Winograd(WinogradConv),
}

/// The algorithm of a [`PackedConv`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvAlgorithm {
    /// Computes every product of the definition.
    Direct,
    /// Winograd's minimal filtering where it applies, else [`Self::Direct`].
    Winograd,
}

impl PackedConv {
    /// Packs `weight` `[O, I/groups, kh, kw]` and `bias` `[O]` for the faster algorithm; returns
    /// `None` if they are not on the CPU device.
    pub fn new(weight: &Tensor<4>, bias: &Tensor<1>, geometry: ConvGeometry) -> Option<Self> {
        let shape = weight.dims();
        let (weight, bias) = (HostView::of(weight)?, HostView::of(bias)?);
        let (weight, bias) = (weight.slice(), bias.slice());
        // With few channels the transforms cost more than the saved products.
        let many = shape[1] >= 16 && shape[0] / geometry.groups >= 16;
        let algorithm = if many {
            ConvAlgorithm::Winograd
        } else {
            ConvAlgorithm::Direct
        };
        let isa = Isa::best();
        Some(Self::pack(weight, shape, bias, geometry, algorithm, isa))
    }

    /// Packs slices, as [`PackedConv::new`] packs tensors, for a given algorithm and instruction
    /// set.
    pub fn pack(
        weight: &[f32],
        shape: [usize; 4],
        bias: &[f32],
        geometry: ConvGeometry,
        algorithm: ConvAlgorithm,
        isa: Isa,
    ) -> Self {
        if algorithm == ConvAlgorithm::Winograd
            && let Some(packed) = WinogradConv::pack(weight, shape, bias, geometry, isa)
        {
            return Self(Packed::Winograd(packed));
        }
        let packed = DirectConv::pack(weight, shape, bias, geometry, isa);
        Self(Packed::Direct(packed))
    }

    /// Convolves `x` `[B, I, H, W]`, a tensor of the CPU device, and applies the activation.
    /// Returns `[B, O, H', W']`.
    ///
    /// # Panics
    /// Panics if the number of channels of `x` is not that of the weights, or if `x` is not on the
    /// CPU device.
    pub fn apply(&self, x: &Tensor<4>, activation: Activation) -> Tensor<4> {
        let values = HostView::of(x).expect("a tensor of the weights' device");
        let (out, shape) = self.convolve(values.slice(), x.dims(), activation);
        values.tensor(out, shape)
    }

    /// Convolves a slice, as [`PackedConv::apply`] convolves a tensor. Returns the output and its
    /// shape.
    pub fn convolve(
        &self,
        x: &[f32],
        shape: [usize; 4],
        activation: Activation,
    ) -> (Vec<f32>, [usize; 4]) {
        match &self.0 {
            Packed::Direct(packed) => packed.convolve(x, shape, activation),
            Packed::Winograd(packed) => packed.convolve(x, shape, activation),
        }
    }
}
