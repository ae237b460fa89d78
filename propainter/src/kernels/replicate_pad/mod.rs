//! Padding that replicates the edge (spec section 3).

pub mod cube;

use burn::tensor::{Tensor, ops::PadMode};

/// Extends `x` `[B, C, H, W]` by `by` pixels on every side, which repeat the edge.
pub fn replicate_pad(x: Tensor<4>, by: usize) -> Tensor<4> {
    cube::replicate_pad(&x, by).unwrap_or_else(|| replicate_pad_reference(x, by))
}

/// Computes [`replicate_pad`] in tensor operations.
pub fn replicate_pad_reference(x: Tensor<4>, by: usize) -> Tensor<4> {
    x.pad([(by, by), (by, by)], PadMode::Edge)
}
