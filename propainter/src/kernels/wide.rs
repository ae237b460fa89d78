//! Arithmetic in 32 bits on numbers kept in 16. What is in 32 bits already passes untouched.

use burn::tensor::{DType, Tensor};

/// `x` in 32 bits.
pub fn wide<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.cast(DType::F32)
}

/// What `work` makes of `x` in 32 bits, as numbers of the type of `x`.
pub fn widened<const D: usize, const E: usize>(
    x: Tensor<D>,
    work: impl FnOnce(Tensor<D>) -> Tensor<E>,
) -> Tensor<E> {
    let dtype = x.dtype();
    work(wide(x)).cast(dtype)
}
