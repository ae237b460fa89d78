//! Instance norm without parameters, with the ReLU that may follow it (spec section 2).

mod cpu;
pub mod cube;

use burn::tensor::{Tensor, activation};

use super::upcast::in_f32;

/// Added to the variance so that the division is defined.
pub(super) const EPSILON: f32 = 1e-5;

/// Normalises each plane of `x` `[B, C, H, W]` to mean 0 and variance 1. With `rectify`, a ReLU
/// follows.
pub fn instance_norm(x: Tensor<4>, rectify: bool) -> Tensor<4> {
    cpu::instance_norm(&x, rectify)
        .or_else(|| cube::instance_norm(&x, rectify))
        .unwrap_or_else(|| instance_norm_reference(x, rectify))
}

/// Computes [`instance_norm`] in tensor operations.
pub fn instance_norm_reference(x: Tensor<4>, rectify: bool) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    in_f32(x, |x| {
        let planes: Tensor<3> = x.reshape([batch, channels, height * width]);
        let centred = planes.clone() - planes.mean_dim(2);
        let variance = centred.clone().powi_scalar(2).mean_dim(2);
        let out = (centred / (variance + EPSILON).sqrt()).reshape([batch, channels, height, width]);
        if rectify { activation::relu(out) } else { out }
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    #[test]
    fn both_forms_agree() {
        let device = Device::flex();
        for shape in [[1, 3, 1, 1], [2, 5, 7, 3], [1, 2, 61, 67]] {
            let x = Tensor::<4>::random(shape, Distribution::Normal(5.0, 2.0), &device);
            for rectify in [false, true] {
                let fast = instance_norm(x.clone(), rectify);
                let difference = fast - instance_norm_reference(x.clone(), rectify);
                let difference = difference.abs().max().into_scalar::<f32>();
                assert!(difference < 1e-5, "{shape:?}: {difference:e}");
            }
        }
    }
}
