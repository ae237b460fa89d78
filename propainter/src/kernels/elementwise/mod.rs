//! Functions of single elements at the ends of networks.

pub mod cube;

use burn::tensor::{Tensor, activation};

use super::upcast::in_f32;

/// Applies the hyperbolic tangent to every element.
pub fn tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    cube::map(&x, cube::Function::Tanh).unwrap_or_else(|| tanh_reference(x))
}

/// Computes [`tanh`] with the tensor library's operation.
pub fn tanh_reference<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    in_f32(x, Tensor::tanh)
}

/// Splits the channels of `x` `[B, 2·C, H, W]` in two: the hyperbolic tangent of the first half, and
/// the ReLU of the second, each `[B, C, H, W]`.
pub fn split_tanh_relu(x: Tensor<4>) -> [Tensor<4>; 2] {
    cube::split_tanh_relu(&x).unwrap_or_else(|| split_tanh_relu_reference(x))
}

/// Computes [`split_tanh_relu`] in tensor operations.
pub fn split_tanh_relu_reference(x: Tensor<4>) -> [Tensor<4>; 2] {
    let half = x.dims()[1] / 2;
    let first = tanh_reference(x.clone().narrow(1, 0, half));
    [first, activation::relu(x.narrow(1, half, half))]
}
