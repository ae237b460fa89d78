//! Backward passes: the gradient of an unfolded image is folded, and the other way round.

use burn::tensor::Tensor;

use crate::kernels::recorded::record;

/// Computes [`unfold`](super::unfold) on a device that records operations.
pub fn unfold(x: &Tensor<4>) -> Tensor<3> {
    let [_, _, height, width] = x.dims();
    let output = super::unfold(x.clone().inner());
    record([x.into()], output, move |gradient, inputs| {
        inputs.add(0, || super::fold(gradient, [height, width]));
    })
}

/// Computes [`fold`](super::fold) on a device that records operations.
pub fn fold(x: &Tensor<3>, size: [usize; 2]) -> Tensor<4> {
    let output = super::fold(x.clone().inner(), size);
    record([x.into()], output, move |gradient, inputs| {
        inputs.add(0, || super::unfold(gradient));
    })
}
