//! The layers that the networks share: parameters and a forward function. The result has the data type
//! of the input.

use burn::tensor::{Device, Tensor};

use super::parameters::{ParameterSource, parameter, reshaped};

pub use crate::kernels::conv::{Activation, ConvGeometry};
use crate::{
    DType,
    kernels::{
        conv::{
            PackedConv, activate, conv2d_reference,
            cube::{Fusion, GpuConv},
        },
        deform_conv::{
            PackedDeformConv, SamplingPoints, deform_conv_at, deform_conv_on_gpu, pack_weight,
        },
        flops,
        linear::{PackedLinear, cube::GpuLinear, linear_reference},
        upcast::upcast,
    },
};

/// Groups of the deformable convolutions.
const GROUPS: usize = 16;

/// A weight and a bias.
type Tensors<const D: usize> = Box<(Tensor<D>, Tensor<1>)>;

/// A layer's parameters: packed for our CPU kernels or for our GPU kernels, or as they are for the
/// reference form, on a device that records operations.
#[derive(Debug)]
enum Parameters<C, G, R> {
    Cpu(C),
    Gpu(G),
    Reference(R),
}

impl<C, G, R> Parameters<C, G, R> {
    /// Takes the CPU form if there is one, else the GPU form if there is one.
    fn new(cpu: Option<C>, gpu: impl FnOnce() -> Option<G>, reference: impl FnOnce() -> R) -> Self {
        match cpu {
            Some(cpu) => Self::Cpu(cpu),
            None => gpu().map_or_else(|| Self::Reference(reference()), Self::Gpu),
        }
    }
}

/// A 2D convolution with bias. The size of the kernel is that of the weight.
#[derive(Debug)]
pub struct Conv2d {
    parameters: Parameters<PackedConv, GpuConv, Tensors<4>>,
    geometry: ConvGeometry,
    activation: Activation,
    /// Products that are summed for one element of the output.
    products: usize,
}

impl Conv2d {
    /// Reads `{key}.weight` `[O, I/groups, kh, kw]` and `{key}.bias` `[O]`. A 3D weight with a kernel
    /// axis of length 1 is read as a 2D weight.
    ///
    /// # Panics
    /// Panics if the weight has another shape; as [`parameter`].
    pub fn init(
        source: &dyn ParameterSource,
        key: &str,
        geometry: ConvGeometry,
        device: &Device,
    ) -> Self {
        let name = format!("{key}.weight");
        let shape = source.shape(&name);
        let [rows, columns] = match shape[2..] {
            [rows, columns] | [1, rows, columns] | [rows, 1, columns] => [rows, columns],
            _ => panic!("{key} is no 2D convolution: {shape:?}"),
        };
        let shape = [shape[0], shape[1], rows, columns];
        Self::of(
            reshaped(source, &name, shape, device),
            parameter(source, &format!("{key}.bias"), device),
            geometry,
        )
        .computing_in(source.numbers())
    }

    /// Makes a convolution of `weight` `[O, I/groups, kh, kw]` and `bias` `[O]`.
    pub fn of(weight: Tensor<4>, bias: Tensor<1>, geometry: ConvGeometry) -> Self {
        let packed = PackedConv::new(&weight, &bias, geometry);
        let [_, inputs, rows, columns] = weight.dims();
        Self {
            parameters: Parameters::new(
                packed,
                || GpuConv::new(&weight, &bias, geometry),
                || Box::new((weight.clone(), bias.clone())),
            ),
            geometry,
            activation: Activation::None,
            products: inputs * rows * columns,
        }
    }

    /// Returns the convolution with products as this type wants them on a GPU.
    pub fn computing_in(mut self, numbers: DType) -> Self {
        if let Parameters::Gpu(packed) = self.parameters {
            self.parameters = Parameters::Gpu(packed.rounding(numbers.into()));
        }
        self
    }

    /// Returns the convolution with an activation after it.
    pub fn then(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// Convolves and applies the activation: `[B, I, H, W]` → `[B, O, H', W']`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.forward_joined(&[&x])
    }

    /// Convolves the concatenation of `parts` along the channels and applies the activation: each
    /// `[B, C, H, W]`, together I channels → `[B, O, H', W']`. With groups, the concatenation is made
    /// group by group: each group has its share of the channels of every part. A GPU reads the parts
    /// where they are.
    pub fn forward_joined(&self, parts: &[&Tensor<4>]) -> Tensor<4> {
        self.run(parts, None, Activation::None)
    }

    /// Computes [`forward_joined`](Self::forward_joined). On the CPU, which concatenates, the parts are
    /// freed before it convolves.
    pub fn forward_joining(&self, parts: Vec<Tensor<4>>) -> Tensor<4> {
        match &self.parameters {
            Parameters::Gpu(_) => self.forward_joined(&parts.iter().collect::<Vec<_>>()),
            _ => self.forward(interleave(parts, self.geometry.groups)),
        }
    }

    /// Adds `addend` `[B, O, H', W']` to the result of [`forward_joined`](Self::forward_joined), then
    /// applies a second activation. A GPU does it in one kernel.
    pub fn forward_onto(
        &self,
        parts: &[&Tensor<4>],
        addend: Tensor<4>,
        after: Activation,
    ) -> Tensor<4> {
        self.run(parts, Some(addend), after)
    }

    fn run(&self, parts: &[&Tensor<4>], addend: Option<Tensor<4>>, after: Activation) -> Tensor<4> {
        let groups = self.geometry.groups;
        let joined = || match parts {
            [x] => (*x).clone(),
            parts => interleave(parts.iter().map(|&x| x.clone()).collect(), groups),
        };
        let finished = |out: Tensor<4>, addend: Option<Tensor<4>>| match addend {
            Some(addend) => activate(out + addend, after),
            None => activate(out, after),
        };
        let out = match &self.parameters {
            Parameters::Cpu(packed) => finished(packed.apply(&joined(), self.activation), addend),
            Parameters::Reference(tensors) => {
                let (weight, bias) = (**tensors).clone();
                let (geometry, activation) = (self.geometry, self.activation);
                let out = conv2d_reference(joined(), weight, bias, geometry, activation);
                finished(out, addend)
            }
            Parameters::Gpu(packed) => {
                let activation = self.activation;
                let fusion = Fusion {
                    activation,
                    addend,
                    after,
                };
                packed.apply(parts, fusion)
            }
        };
        flops::count(self.products * out.dims().iter().product::<usize>());
        out
    }
}

/// Concatenates tensors `[B, C, H, W]` along the channels, group by group: each group has its share of
/// the channels of every part.
fn interleave(parts: Vec<Tensor<4>>, groups: usize) -> Tensor<4> {
    if groups == 1 {
        return Tensor::cat(parts, 1);
    }
    let [batch, _, height, width] = parts[0].dims();
    let split = |x: Tensor<4>| -> Tensor<5> {
        let share = x.dims()[1] / groups;
        x.reshape([batch, groups, share, height, width])
    };
    let all = Tensor::cat(parts.into_iter().map(split).collect(), 2);
    let channels = groups * all.dims()[2];
    all.reshape([batch, channels, height, width])
}

/// A fully connected layer.
#[derive(Debug)]
pub struct Linear {
    parameters: Parameters<PackedLinear, GpuLinear, Tensors<2>>,
    inputs: usize,
}

impl Linear {
    /// Reads `{key}.weight` `[O, I]` and `{key}.bias` `[O]`.
    pub fn init(source: &dyn ParameterSource, key: &str, device: &Device) -> Self {
        let weight: Tensor<2> = parameter(source, &format!("{key}.weight"), device);
        let weight = weight.transpose(); // [I, O]
        let bias = parameter(source, &format!("{key}.bias"), device);
        Self::of(weight, bias, source.numbers())
    }

    /// Reads several layers of the same input as one. Their outputs follow each other.
    pub fn joined(source: &dyn ParameterSource, keys: &[String], device: &Device) -> Self {
        let weights = keys.iter().map(|key| {
            let weight: Tensor<2> = parameter(source, &format!("{key}.weight"), device);
            weight.transpose() // [I, O]
        });
        let weight = Tensor::cat(weights.collect(), 1);
        let bias = keys
            .iter()
            .map(|key| parameter(source, &format!("{key}.bias"), device));
        Self::of(weight, Tensor::cat(bias.collect(), 0), source.numbers())
    }

    /// Makes a layer of `weight` `[I, O]` and `bias` `[O]`, with products on a GPU as `numbers` wants
    /// them.
    pub fn of(weight: Tensor<2>, bias: Tensor<1>, numbers: DType) -> Self {
        let packed = PackedLinear::new(&weight, &bias);
        Self {
            inputs: weight.dims()[0],
            parameters: Parameters::new(
                packed,
                || Some(GpuLinear::new(&weight, &bias)?.rounding(numbers.into())),
                || Box::new((weight.clone(), bias.clone())),
            ),
        }
    }

    /// Applies the layer: `[…, I]` → `[…, O]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.forward_onto(x, None)
    }

    /// Applies the layer and adds `addend` `[…, O]` if there is one. A GPU does it in one kernel.
    pub fn forward_onto<const D: usize>(
        &self,
        x: Tensor<D>,
        addend: Option<Tensor<D>>,
    ) -> Tensor<D> {
        let added = |out: Tensor<D>, addend: Option<Tensor<D>>| match addend {
            Some(addend) => out + addend,
            None => out,
        };
        let out = match &self.parameters {
            Parameters::Cpu(packed) => added(packed.apply(&x), addend),
            Parameters::Gpu(packed) => packed.apply_onto(&x, addend.as_ref()),
            Parameters::Reference(tensors) => {
                let (weight, bias) = (**tensors).clone();
                added(linear_reference(x, weight, bias), addend)
            }
        };
        flops::count(self.inputs * out.dims().iter().product::<usize>());
        out
    }
}

/// The alignment of both flow-guided propagations: convolutions that predict offsets and modulation
/// from a condition, then a modulated deformable convolution with 16 groups.
#[derive(Debug)]
pub struct DeformAlign {
    offsets: [Conv2d; 4],
    parameters: Parameters<PackedDeformConv, Tensors<2>, Tensors<4>>,
    limit: f64,
}

impl DeformAlign {
    /// Reads `{key}.conv_offset.{0,2,4,6}`, `{key}.weight` and `{key}.bias`. `limit` bounds the learned
    /// offsets, in pixels (spec sections 3 and 5).
    pub fn init(source: &dyn ParameterSource, key: &str, limit: f64, device: &Device) -> Self {
        // Deformable convolutions compute in 32 bits.
        let weight = upcast(parameter(source, &format!("{key}.weight"), device));
        let bias = upcast(parameter(source, &format!("{key}.bias"), device));
        let packed = PackedDeformConv::new(&weight, &bias, GROUPS);
        Self {
            offsets: [0, 2, 4, 6].map(|i| {
                let key = format!("{key}.conv_offset.{i}");
                let conv = Conv2d::init(source, &key, ConvGeometry::default(), device);
                conv.then(if i < 6 {
                    Activation::Leaky(0.1)
                } else {
                    Activation::None
                })
            }),
            parameters: Parameters::new(
                packed,
                || {
                    let packed = || (pack_weight(weight.clone(), GROUPS), bias.clone());
                    (!weight.is_autodiff()).then(|| Box::new(packed()))
                },
                || Box::new((weight.clone(), bias.clone())),
            ),
            limit,
        }
    }

    /// Aligns `x` `[B, I, H, W]` under `condition` `[B, K, H, W]`. If there is a `flow`
    /// `[B, 2, H, W]`, it is added to every offset. Returns `[B, 128, H, W]`.
    pub fn forward(
        &self,
        x: Tensor<4>,
        condition: Tensor<4>,
        flow: Option<Tensor<4>>,
    ) -> Tensor<4> {
        self.forward_joined(x, &[&condition], flow)
    }

    /// Aligns as [`Self::forward`] does, under the concatenation of `condition` along the channels.
    pub fn forward_joined(
        &self,
        x: Tensor<4>,
        condition: &[&Tensor<4>],
        flow: Option<Tensor<4>>,
    ) -> Tensor<4> {
        let [first, rest @ ..] = &self.offsets;
        let first = first.forward_joined(condition);
        let raw = rest.iter().fold(first, |x, conv| conv.forward(x)); // [B, 27·16, H, W]
        let limit = self.limit as f32;
        let points = SamplingPoints::Learned { raw, limit, flow };
        let inputs = x.dims()[1];
        let out = match &self.parameters {
            Parameters::Cpu(packed) => packed.apply(&x, &points),
            Parameters::Gpu(tensors) => {
                let (weight, bias) = &**tensors;
                deform_conv_on_gpu(&x, &points, weight, bias, GROUPS)
            }
            Parameters::Reference(tensors) => {
                let (weight, bias) = (**tensors).clone();
                deform_conv_at(x, points, weight, bias)
            }
        };
        flops::count(9 * inputs * out.dims().iter().product::<usize>());
        out
    }
}
