//! Concatenation along the first axis, and of groups of channels.

pub mod cube;

use burn::tensor::Tensor;

/// Concatenates tensors along the first axis. The other axes have the same lengths in all of them.
///
/// On a GPU up to [`cube::MOST`] tensors take one launch; the tensor library takes one for each.
///
/// # Panics
/// Panics if there is no tensor.
pub fn concat<const D: usize>(mut parts: Vec<Tensor<D>>) -> Tensor<D> {
    if parts.len() == 1
        && let Some(only) = parts.pop()
    {
        return only;
    }
    cube::concat(&parts).unwrap_or_else(|| Tensor::cat(parts, 0))
}

/// Splits two tensors into `groups` parts along the channels and alternates the parts:
/// `[B, C, H, W]` and `[B, D, H, W]` → `[B, C + D, H, W]`.
pub fn interleave(a: Tensor<4>, b: Tensor<4>, groups: usize) -> Tensor<4> {
    cube::interleave(&a, &b, groups).unwrap_or_else(|| interleave_reference(a, b, groups))
}

/// Computes [`interleave`] in tensor operations.
pub fn interleave_reference(a: Tensor<4>, b: Tensor<4>, groups: usize) -> Tensor<4> {
    let [batch, _, height, width] = a.dims();
    let [a, b] = [a, b].map(|x| {
        let part = x.dims()[1] / groups;
        x.reshape([batch, groups, part, height, width])
    });
    let both = Tensor::cat(vec![a, b], 2);
    let channels = groups * both.dims()[2];
    both.reshape([batch, channels, height, width])
}
