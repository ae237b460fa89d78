//! The end of the decoder: a part of its last layer's output, through tanh.

pub mod cube;

use burn::tensor::Tensor;

use crate::Rect;

/// Applies tanh to the part `area` of `x` `[B, C, H, W]`, which is the part `held` of an image.
pub fn crop_tanh(x: Tensor<4>, held: &Rect, area: &Rect) -> Tensor<4> {
    cube::crop_tanh(&x, held, area).unwrap_or_else(|| crop_tanh_reference(x, held, area))
}

/// Computes [`crop_tanh`] in tensor operations.
pub fn crop_tanh_reference(x: Tensor<4>, held: &Rect, area: &Rect) -> Tensor<4> {
    area.crop(x, 2, held).tanh()
}
