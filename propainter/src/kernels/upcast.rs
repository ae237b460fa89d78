//! Arithmetic in 32 bits on tensors stored in 16. Tensors of 32 bits pass unchanged.

use burn::tensor::{DType, Tensor};

/// Converts `x` to 32 bits.
pub fn upcast<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.cast(DType::F32)
}

/// Applies `operation` to `x` in 32 bits and converts the result back to the type of `x`.
pub fn in_f32<const D: usize, const E: usize>(
    x: Tensor<D>,
    operation: impl FnOnce(Tensor<D>) -> Tensor<E>,
) -> Tensor<E> {
    let dtype = x.dtype();
    operation(upcast(x)).cast(dtype)
}
