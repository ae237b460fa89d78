//! The backward pass of the leaky ReLU. Its output tells the slope, so its input is not kept.

use burn::tensor::Tensor;

use crate::kernels::recorded::record;

/// Applies the leaky ReLU on a device that records operations. `slope` is more than 0.
pub fn leaky_relu(x: &Tensor<4>, slope: f64) -> Tensor<4> {
    let output = burn::tensor::activation::leaky_relu(x.clone().inner(), slope);
    let kept = output.clone();
    record([x.into()], output, move |gradient, inputs| {
        inputs.add(0, || {
            let negative = kept.clone().lower_elem(0.0);
            let scaled = gradient.clone() * slope;
            gradient.mask_where(negative, scaled)
        });
    })
}
