//! The few layers that all three networks share: parameters from a checkpoint,
//! a forward function, nothing else.

use burn::tensor::{Device, Tensor, TensorData, activation, module, ops};

use crate::{kernels, weights::Checkpoint};

/// The checkpoint's tensor `key` on `device`.
///
/// # Panics
/// When `key` is not in the network's layout, or has another rank there: a checkpoint
/// holds exactly its network's layout.
pub fn parameter<const D: usize>(checkpoint: &Checkpoint, key: &str, device: &Device) -> Tensor<D> {
    let host = checkpoint.get(key);
    Tensor::from_data(
        TensorData::new(host.data.clone(), host.shape.clone()),
        device,
    )
}

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
}

/// What follows a convolution at once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    #[default]
    None,
    Relu,
    /// Leaky ReLU with this slope below zero.
    Leaky(f64),
}

/// A 2D convolution with bias; the kernel's size is its weight's.
#[derive(Debug)]
pub struct Conv2d {
    weight: Tensor<4>,
    bias: Tensor<1>,
    geometry: Geometry,
    activation: Activation,
}

impl Conv2d {
    /// Takes `{key}.weight` `[O, I/groups, kh, kw]` and `{key}.bias` `[O]`. A weight with a
    /// third, single kernel axis (time) is taken as its 2D form.
    pub fn init(checkpoint: &Checkpoint, key: &str, geometry: Geometry, device: &Device) -> Self {
        let host = checkpoint.get(&format!("{key}.weight"));
        let kernel: Vec<usize> = host.shape[2..].to_vec();
        let [rows, columns] = match kernel[..] {
            [rows, columns] | [1, rows, columns] | [rows, 1, columns] => [rows, columns],
            _ => panic!("{key} is no 2D convolution: {:?}", host.shape),
        };
        let shape = [host.shape[0], host.shape[1], rows, columns];
        Self::of(
            Tensor::from_data(TensorData::new(host.data.clone(), shape), device),
            parameter(checkpoint, &format!("{key}.bias"), device),
            geometry,
        )
    }

    /// A convolution of these parameters, `weight` `[O, I/groups, kh, kw]`, `bias` `[O]`.
    pub fn of(weight: Tensor<4>, bias: Tensor<1>, geometry: Geometry) -> Self {
        Self {
            weight,
            bias,
            geometry,
            activation: Activation::None,
        }
    }

    /// The same convolution with an activation behind it.
    pub fn then(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// `[B, I, H, W]` → `[B, O, H', W']`, activated
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let Geometry {
            stride,
            padding,
            dilation,
            groups,
        } = self.geometry;
        let out = module::conv2d(
            x,
            self.weight.clone(),
            Some(self.bias.clone()),
            ops::ConvOptions::new(stride, padding, dilation, groups),
        );
        match self.activation {
            Activation::None => out,
            Activation::Relu => activation::relu(out),
            Activation::Leaky(slope) => activation::leaky_relu(out, slope),
        }
    }
}

/// A fully connected layer.
#[derive(Debug)]
pub struct Linear {
    /// `[I, O]`: the checkpoint's weight transposed once.
    weight: Tensor<2>,
    bias: Tensor<1>,
}

impl Linear {
    /// Takes `{key}.weight` `[O, I]` and `{key}.bias` `[O]`.
    pub fn init(checkpoint: &Checkpoint, key: &str, device: &Device) -> Self {
        let weight: Tensor<2> = parameter(checkpoint, &format!("{key}.weight"), device);
        Self {
            weight: weight.transpose(),
            bias: parameter(checkpoint, &format!("{key}.bias"), device),
        }
    }

    /// `[…, I]` → `[…, O]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        module::linear(x, self.weight.clone(), Some(self.bias.clone()))
    }
}

/// The output convolution of both flow-guided propagations: offsets and modulation
/// from a condition, then a modulated deformable convolution of 16 groups.
#[derive(Debug)]
pub struct DeformAlign {
    offsets: [Conv2d; 4],
    weight: Tensor<4>,
    bias: Tensor<1>,
    limit: f64,
}

impl DeformAlign {
    /// Takes `{key}.conv_offset.{0,2,4,6}`, `{key}.weight` and `{key}.bias`. `limit` bounds the
    /// learned offsets, in pixels (spec sections 3 and 5).
    pub fn init(checkpoint: &Checkpoint, key: &str, limit: f64, device: &Device) -> Self {
        Self {
            offsets: [0, 2, 4, 6].map(|i| {
                let key = format!("{key}.conv_offset.{i}");
                let conv = Conv2d::init(checkpoint, &key, Geometry::default(), device);
                conv.then(if i < 6 {
                    Activation::Leaky(0.1)
                } else {
                    Activation::None
                })
            }),
            weight: parameter(checkpoint, &format!("{key}.weight"), device),
            bias: parameter(checkpoint, &format!("{key}.bias"), device),
            limit,
        }
    }

    /// Aligns `x` `[B, I, H, W]` under `condition` `[B, K, H, W]`; `flow` `[B, 2, H, W]`, where
    /// there is one, is added to every offset. Result `[B, 128, H, W]`.
    pub fn forward(
        &self,
        x: Tensor<4>,
        condition: Tensor<4>,
        flow: Option<Tensor<4>>,
    ) -> Tensor<4> {
        let out = self
            .offsets
            .iter()
            .fold(condition, |x, conv| conv.forward(x)); // [B, 27·16, H, W]
        let [batch, channels, ..] = out.dims();
        let split = channels / 3 * 2;
        let mut offset = out.clone().slice([0..batch, 0..split]).tanh() * self.limit;
        if let Some(flow) = flow {
            // Offsets come as (dy, dx), flows as (x, y).
            offset = offset + flow.flip([1]).repeat_dim(1, split / 2);
        }
        let modulation = activation::sigmoid(out.slice([0..batch, split..channels]));
        kernels::deform_conv::deform_conv(
            x,
            offset,
            modulation,
            self.weight.clone(),
            self.bias.clone(),
        )
    }
}

/// ×2 by bilinear interpolation with aligned corners, `[B, C, H, W]` → `[B, C, 2H, 2W]`.
pub fn upsample(x: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let options = ops::InterpolateOptions::new(ops::InterpolateMode::Bilinear)
        .with_align_corners(true)
        .with_output_size([2 * height, 2 * width]);
    module::interpolate(x, options)
}
