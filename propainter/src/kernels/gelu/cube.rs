//! The GPU form of GELU.

use burn::tensor::Tensor;

use crate::kernels::elementwise::cube::{Function, map};

/// Computes [`gelu`](super::gelu); returns `None` if `x` is not on a CubeCL device.
pub fn gelu<const D: usize>(x: &Tensor<D>) -> Option<Tensor<D>> {
    map(x, Function::Gelu)
}
