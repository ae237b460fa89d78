//! The few layers that all three networks share: parameters from a checkpoint,
//! a forward function, nothing else. What comes out is of the type of what goes in.

use burn::tensor::{Device, Tensor, TensorData, module};

pub use crate::kernels::conv2d::{Activation, Geometry};
use crate::{
    kernels::{
        conv2d::{self, conv2d_plain},
        deform_conv::{self, Sites},
        linear::Matrix,
        wide::wide,
        work,
    },
    weights::Checkpoint,
};

/// The checkpoint's tensor `key` on `device`, in the checkpoint's numbers ([`Numbers::on`]).
///
/// [`Numbers::on`]: crate::Numbers::on
///
/// # Panics
/// When `key` is not in the network's layout, or has another rank there: a checkpoint
/// holds exactly its network's layout.
pub fn parameter<const D: usize>(checkpoint: &Checkpoint, key: &str, device: &Device) -> Tensor<D> {
    let shape = &checkpoint.get(key).shape;
    let shape = shape[..].try_into().expect("a tensor of this rank");
    reshaped(checkpoint, key, shape, device)
}

/// As [`parameter`], as a tensor of another shape.
fn reshaped<const D: usize>(
    checkpoint: &Checkpoint,
    key: &str,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    let data = TensorData::new(checkpoint.get(key).data.clone(), shape);
    Tensor::from_data(data, (device, checkpoint.numbers().on(device)))
}

/// Groups of the deformable convolutions.
const GROUPS: usize = 16;

/// A layer's parameters: packed for the CPU's own kernels, or as tensors elsewhere.
#[derive(Debug)]
enum Parameters<P, const D: usize> {
    Packed(P),
    Tensors(Box<(Tensor<D>, Tensor<1>)>),
}

impl<P, const D: usize> Parameters<P, D> {
    /// The packed form where the device has one.
    fn new(packed: Option<P>, weight: Tensor<D>, bias: Tensor<1>) -> Self {
        packed.map_or_else(|| Self::Tensors(Box::new((weight, bias))), Self::Packed)
    }
}

/// A 2D convolution with bias; the kernel's size is its weight's.
#[derive(Debug)]
pub struct Conv2d {
    parameters: Parameters<conv2d::Filter, 4>,
    geometry: Geometry,
    activation: Activation,
    /// Products that are summed for one number of the output.
    products: usize,
}

impl Conv2d {
    /// Takes `{key}.weight` `[O, I/groups, kh, kw]` and `{key}.bias` `[O]`. A weight with a
    /// third, single kernel axis (time) is taken as its 2D form.
    pub fn init(checkpoint: &Checkpoint, key: &str, geometry: Geometry, device: &Device) -> Self {
        let name = format!("{key}.weight");
        let shape = &checkpoint.get(&name).shape;
        let [rows, columns] = match shape[2..] {
            [rows, columns] | [1, rows, columns] | [rows, 1, columns] => [rows, columns],
            _ => panic!("{key} is no 2D convolution: {shape:?}"),
        };
        let shape = [shape[0], shape[1], rows, columns];
        Self::of(
            reshaped(checkpoint, &name, shape, device),
            parameter(checkpoint, &format!("{key}.bias"), device),
            geometry,
        )
    }

    /// A convolution of these parameters, `weight` `[O, I/groups, kh, kw]`, `bias` `[O]`.
    pub fn of(weight: Tensor<4>, bias: Tensor<1>, geometry: Geometry) -> Self {
        let packed = conv2d::Filter::new(&weight, &bias, geometry);
        let [_, inputs, rows, columns] = weight.dims();
        Self {
            parameters: Parameters::new(packed, weight, bias),
            geometry,
            activation: Activation::None,
            products: inputs * rows * columns,
        }
    }

    /// The same convolution with an activation behind it.
    pub fn then(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// `[B, I, H, W]` → `[B, O, H', W']`, activated
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let out = match &self.parameters {
            Parameters::Packed(filter) => filter.apply(&x, self.activation),
            Parameters::Tensors(tensors) => {
                let (weight, bias) = *tensors.clone();
                conv2d_plain(x, weight, bias, self.geometry, self.activation)
            }
        };
        work::count(self.products * out.dims().iter().product::<usize>());
        out
    }
}

/// A fully connected layer.
#[derive(Debug)]
pub struct Linear {
    parameters: Parameters<Matrix, 2>,
    inputs: usize,
}

impl Linear {
    /// Takes `{key}.weight` `[O, I]` and `{key}.bias` `[O]`.
    pub fn init(checkpoint: &Checkpoint, key: &str, device: &Device) -> Self {
        let weight: Tensor<2> = parameter(checkpoint, &format!("{key}.weight"), device);
        let weight = weight.transpose(); // [I, O]
        let bias = parameter(checkpoint, &format!("{key}.bias"), device);
        let packed = Matrix::new(&weight, &bias);
        Self {
            inputs: weight.dims()[0],
            parameters: Parameters::new(packed, weight, bias),
        }
    }

    /// `[…, I]` → `[…, O]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let out = match &self.parameters {
            Parameters::Packed(matrix) => matrix.apply(&x),
            Parameters::Tensors(tensors) => {
                let (weight, bias) = *tensors.clone();
                let (weight, bias) = (weight.cast(x.dtype()), bias.cast(x.dtype()));
                module::linear(x, weight, Some(bias))
            }
        };
        work::count(self.inputs * out.dims().iter().product::<usize>());
        out
    }
}

/// The output convolution of both flow-guided propagations: offsets and modulation
/// from a condition, then a modulated deformable convolution of 16 groups.
#[derive(Debug)]
pub struct DeformAlign {
    offsets: [Conv2d; 4],
    parameters: Parameters<deform_conv::Filter, 2>,
    limit: f64,
}

impl DeformAlign {
    /// Takes `{key}.conv_offset.{0,2,4,6}`, `{key}.weight` and `{key}.bias`. `limit` bounds the
    /// learned offsets, in pixels (spec sections 3 and 5).
    pub fn init(checkpoint: &Checkpoint, key: &str, limit: f64, device: &Device) -> Self {
        // Deformable convolutions compute in 32 bits.
        let weight = wide(parameter(checkpoint, &format!("{key}.weight"), device));
        let bias = wide(parameter(checkpoint, &format!("{key}.bias"), device));
        let packed = deform_conv::Filter::new(&weight, &bias, GROUPS);
        let weight = deform_conv::pack(weight, GROUPS);
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
            parameters: Parameters::new(packed, weight, bias),
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
        let raw = self
            .offsets
            .iter()
            .fold(condition, |x, conv| conv.forward(x)); // [B, 27·16, H, W]
        let limit = self.limit as f32;
        let sites = Sites::Learned { raw, limit, flow };
        let inputs = x.dims()[1];
        let out = match &self.parameters {
            Parameters::Packed(filter) => filter.apply(&x, &sites),
            Parameters::Tensors(tensors) => {
                let (weight, bias) = &**tensors;
                deform_conv::on_card(&x, &sites, weight, bias, GROUPS)
            }
        };
        work::count(9 * inputs * out.dims().iter().product::<usize>());
        out
    }
}
