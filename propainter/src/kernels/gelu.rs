//! GELU by the error function: x/2 · (1 + erf(x/√2)).

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

use super::{host::HostView, wide::widened};

/// Values one thread takes at a time.
const CHUNK: usize = 1 << 14;
/// From here on erf is 1 within half a unit in the last place.
const SATURATED: f32 = 3.85;
/// erf(x) = x · P(x²) / Q(x²) for |x| up to `SATURATED`, relative error 1.5e-8: our own
/// least-squares fit, reweighted towards the least maximum. Lowest power first.
const P: [f32; 6] = [
    FRAC_2_SQRT_PI,
    0.187_823_53,
    0.052_469_46,
    0.003_670_668,
    0.000_285_586_9,
    2.108_626_6e-6,
];
const Q: [f32; 6] = [
    1.0,
    0.499_787_15,
    0.113_097_91,
    0.014_778_322,
    0.001_144_686_1,
    3.873_1e-5,
];

/// GELU of every element.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match HostView::of(&x) {
        Some(values) => {
            let mut out = vec![0.0; values.slice().len()];
            out.par_chunks_mut(CHUNK)
                .zip(values.slice().par_chunks(CHUNK))
                .for_each(|(out, values)| {
                    for (out, &x) in out.iter_mut().zip(values) {
                        *out = 0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2));
                    }
                });
            values.tensor(out, x.dims())
        }
        None => gelu_plain(x),
    }
}

/// The plain twin of [`gelu`]: the library's operation.
pub fn gelu_plain<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    widened(x, activation::gelu)
}

/// Branch-free, so that it is computed several values at a time.
fn erf(x: f32) -> f32 {
    let x = x.clamp(-SATURATED, SATURATED);
    let polynomial =
        |[a, b, c, d, e, f]: [f32; 6], t: f32| ((((f * t + e) * t + d) * t + c) * t + b) * t + a;
    x * polynomial(P, x * x) / polynomial(Q, x * x)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn both_forms_agree() {
        let values: Vec<f32> = (-80_000..=80_000).map(|i| i as f32 * 1e-4).collect();
        let shape = [values.len()];
        let x: Tensor<1> = Tensor::from_data(TensorData::new(values, shape), &Device::flex());
        let floats = |x: Tensor<1>| x.into_data().try_into_vec::<f32>().unwrap();
        let forms = floats(gelu(x.clone()))
            .into_iter()
            .zip(floats(gelu_plain(x.clone())));
        for ((fast, plain), x) in forms.zip(floats(x)) {
            // Two roundings' worth.
            let bound = 4e-7 * x.abs();
            assert!((fast - plain).abs() <= bound, "{x}: {fast} against {plain}");
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let x: Tensor<1> = Tensor::from_data([f32::NAN, f32::INFINITY, 0.0], &Device::flex());
        let out = gelu(x).into_data().try_into_vec::<f32>().unwrap();
        assert!(out[0].is_nan());
        assert_eq!(out[1..], [f32::INFINITY, 0.0]);
    }
}
