//! The backward pass. Mean and variance are computed again.

use burn::tensor::Tensor;

use super::EPSILON;
use crate::kernels::{recorded::record, upcast::upcast};

/// Computes [`layer_norm`](super::layer_norm()) without spare rows on a device that records operations.
pub fn layer_norm(x: &Tensor<2>, gain: &Tensor<1>, shift: &Tensor<1>) -> Tensor<2> {
    let [kept, scale] = [x.clone().inner(), gain.clone().inner().unsqueeze()];
    let (gain_inner, shift_inner) = (gain.clone().inner(), shift.clone().inner());
    let output = super::layer_norm(kept.clone(), &gain_inner, &shift_inner, 0);
    let inputs = [x.into(), gain.into(), shift.into()];
    record(inputs, output, move |gradient, inputs| {
        let gradient = upcast(gradient);
        let x = upcast(kept.clone());
        let centred = x.clone() - x.mean_dim(1);
        let variance = (centred.clone() * centred.clone()).mean_dim(1);
        let factor = (variance + EPSILON).sqrt().recip(); // [rows, 1]
        let normed = centred * factor.clone();
        inputs.add(1, || {
            let products: Tensor<2> = gradient.clone() * normed.clone();
            products.sum_dim(0).squeeze_dim::<1>(0)
        });
        inputs.add(2, || gradient.clone().sum_dim(0).squeeze_dim::<1>(0));
        inputs.add(0, || {
            let scaled = gradient * scale.clone();
            let along = (scaled.clone() * normed.clone()).mean_dim(1);
            let centred = scaled.clone() - scaled.mean_dim(1) - normed * along;
            centred * factor
        });
    })
}
