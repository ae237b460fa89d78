//! The backward pass: Φ(x) + x·φ(x), with the normal distribution's Φ and φ.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

use burn::tensor::Tensor;

use crate::kernels::{recorded::record, upcast::upcast};

/// Computes [`gelu`](super::gelu()) on a device that records operations.
pub fn gelu<const D: usize>(x: &Tensor<D>) -> Tensor<D> {
    let kept = x.clone().inner();
    let output = super::gelu(kept.clone());
    record([x.into()], output, move |gradient, inputs| {
        inputs.add(0, || {
            let x = upcast(kept.clone());
            let below = (x.clone() * FRAC_1_SQRT_2).erf() * 0.5 + 0.5;
            let density = (x.clone() * x.clone() * -0.5).exp() / TAU.sqrt();
            upcast(gradient) * (below + x * density)
        });
    })
}
