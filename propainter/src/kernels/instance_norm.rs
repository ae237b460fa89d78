//! Instance norm without parameters, with the ReLU that may follow it (spec section 2).

use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

use super::{cube, host::HostView, wide::widened};

pub(super) const EPSILON: f32 = 1e-5;

/// `x` `[B, C, H, W]` with mean 0 and variance 1 in each plane; `rectify`: negative values
/// become 0.
pub fn instance_norm(x: Tensor<4>, rectify: bool) -> Tensor<4> {
    let Some(view) = HostView::of(&x) else {
        return cube::instance_norm::instance_norm(&x, rectify)
            .unwrap_or_else(|| instance_norm_plain(x, rectify));
    };
    let shape @ [.., height, width] = x.dims();
    let plane = (height * width).max(1);
    let floor = if rectify { 0.0 } else { f32::NEG_INFINITY };
    let mut out = vec![0.0; view.slice().len()];
    out.par_chunks_mut(plane)
        .zip(view.slice().par_chunks(plane))
        .for_each(|(out, values)| {
            let mean = sum(values, |v| v) / plane as f64;
            let shift = mean as f32;
            let variance = sum(values, |v| (v - shift) * (v - shift)) / plane as f64;
            let scale = 1.0 / (variance as f32 + EPSILON).sqrt();
            for (out, v) in out.iter_mut().zip(values) {
                *out = ((v - shift) * scale).max(floor);
            }
        });
    view.tensor(out, shape)
}

/// The plain twin of [`instance_norm`], in tensor operations.
pub fn instance_norm_plain(x: Tensor<4>, rectify: bool) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    widened(x, |x| {
        let planes: Tensor<3> = x.reshape([batch, channels, height * width]);
        let centred = planes.clone() - planes.mean_dim(2);
        let variance = centred.clone().powi_scalar(2).mean_dim(2);
        let out = (centred / (variance + EPSILON).sqrt()).reshape([batch, channels, height, width]);
        if rectify { activation::relu(out) } else { out }
    })
}

/// The sum of `term` over `values`: in `f32` side by side over short runs, in `f64` over all.
fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    const LANES: usize = 16;
    let run = |values: &[f32]| {
        let mut sums = [0.0; LANES];
        let (whole, rest) = values.as_chunks::<LANES>();
        for lanes in whole {
            for (sum, &v) in sums.iter_mut().zip(lanes) {
                *sum += term(v);
            }
        }
        let rest = rest.iter().map(|&v| term(v));
        f64::from(sums.iter().copied().chain(rest).sum::<f32>())
    };
    values.chunks(1024).map(run).sum()
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
                let difference = fast - instance_norm_plain(x.clone(), rectify);
                let difference = difference.abs().max().into_scalar::<f32>();
                assert!(difference < 1e-5, "{shape:?}: {difference:e}");
            }
        }
    }
}
