//! Two-dimensional convolution (cross-correlation) with bias and activation.

use burn::tensor::{Tensor, activation, module, ops::ConvOptions};

use super::{conv_direct, conv_short, host::HostView, isa::Isa, wide::wide};

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
    pub(super) fn output(&self, input: [usize; 2], kernel: [usize; 2]) -> [usize; 2] {
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
    #[inline(always)]
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
/// `x` `[B, I, H, W]`, `weight` `[O, I/groups, kh, kw]`, `bias` `[O]`; result `[B, O, H', W']` of
/// the type of `x`.
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
    let dtype = x.dtype();
    // With groups the library sums in the numbers it is given.
    let x = if groups > 1 { wide(x) } else { x };
    let (weight, bias) = (weight.cast(x.dtype()), bias.cast(x.dtype()));
    let options = ConvOptions::new(stride, padding, dilation, groups);
    let out = module::conv2d(x, weight, Some(bias), options).cast(dtype);
    match activation {
        Activation::None => out,
        Activation::Relu => activation::relu(out),
        Activation::Leaky(slope) => activation::leaky_relu(out, slope),
    }
}

/// A convolution's weights in the order in which the CPU wants them.
#[derive(Debug)]
pub struct Filter(Form);

#[derive(Debug)]
enum Form {
    Direct(conv_direct::Filter),
    Short(conv_short::Filter),
}

/// Which way a [`Filter`] computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Every product of the definition.
    Direct,
    /// Fewer products, where there is such a form.
    Short,
}

impl Filter {
    /// `weight` `[O, I/groups, kh, kw]`, `bias` `[O]`; `None` where they are no tensors of
    /// the CPU device.
    pub fn new(weight: &Tensor<4>, bias: &Tensor<1>, geometry: Geometry) -> Option<Self> {
        let shape = weight.dims();
        let (weight, bias) = (HostView::of(weight)?, HostView::of(bias)?);
        let (weight, bias) = (weight.slice(), bias.slice());
        // Transforming in and out doesn't pay for few channels.
        let short = shape[1] >= 16 && shape[0] / geometry.groups >= 16;
        let way = if short { Way::Short } else { Way::Direct };
        Some(Self::pack(weight, shape, bias, geometry, way, Isa::best()))
    }

    /// As [`Filter::new`], from slices, in a given way and for a given instruction set.
    pub fn pack(
        weight: &[f32],
        shape: [usize; 4],
        bias: &[f32],
        geometry: Geometry,
        way: Way,
        isa: Isa,
    ) -> Self {
        if way == Way::Short
            && let Some(filter) = conv_short::Filter::pack(weight, shape, bias, geometry, isa)
        {
            return Self(Form::Short(filter));
        }
        let filter = conv_direct::Filter::pack(weight, shape, bias, geometry, isa);
        Self(Form::Direct(filter))
    }

    /// `x` `[B, I, H, W]` of the CPU device → `[B, O, H', W']`, activated.
    ///
    /// # Panics
    /// When `x` has other channels than the weights, or is no tensor of the CPU device.
    pub fn apply(&self, x: &Tensor<4>, activation: Activation) -> Tensor<4> {
        let values = HostView::of(x).expect("a tensor of the weights' device");
        let (out, shape) = self.convolve(values.slice(), x.dims(), activation);
        values.tensor(out, shape)
    }

    /// As [`Filter::apply`], on slices.
    pub fn convolve(
        &self,
        x: &[f32],
        shape: [usize; 4],
        activation: Activation,
    ) -> (Vec<f32>, [usize; 4]) {
        match &self.0 {
            Form::Direct(filter) => filter.convolve(x, shape, activation),
            Form::Short(filter) => filter.convolve(x, shape, activation),
        }
    }
}
