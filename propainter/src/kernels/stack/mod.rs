//! Joining tensors along their first axis.

pub mod cube;

use burn::tensor::Tensor;

/// Joins one or more tensors `[1, …]` of one shape and data type to `[N, …]`, in order.
pub fn stack(parts: Vec<Tensor<4>>) -> Tensor<4> {
    if let [_] = &parts[..] {
        return parts.into_iter().next().expect("one part");
    }
    cube::stack(&parts).unwrap_or_else(|| stack_reference(parts))
}

/// Computes [`stack`] in tensor operations.
pub fn stack_reference(parts: Vec<Tensor<4>>) -> Tensor<4> {
    Tensor::cat(parts, 0)
}
