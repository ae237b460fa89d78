//! Fully connected layers: rows of features times a matrix, plus a bias.

mod cpu;
pub mod cube;

use burn::tensor::{Tensor, module};

pub use self::cpu::PackedLinear;

/// Applies a layer with the tensor library's operation.
///
/// - `x`: `[…, I]`
/// - `weight`: `[I, O]`
/// - `bias`: `[O]`
///
/// Returns `[…, O]` in the data type of `x`.
pub fn linear_reference<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Tensor<1>,
) -> Tensor<D> {
    let (weight, bias) = (weight.cast(x.dtype()), bias.cast(x.dtype()));
    module::linear(x, weight, Some(bias))
}
