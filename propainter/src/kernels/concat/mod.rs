//! Concatenation along the first axis.

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
