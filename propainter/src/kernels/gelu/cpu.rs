//! The CPU form of GELU.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::kernels::cpu::host_view::HostView;

/// Elements that a thread takes at a time.
const CHUNK: usize = 1 << 14;
/// From here on erf is within half a unit in the last place of 1.
const SATURATED: f32 = 3.85;
/// erf(x) = x · P(x²) / Q(x²) for |x| up to `SATURATED`, relative error 1.5e-8. The coefficients
/// are our own least-squares fit, reweighted towards the least maximum error; the lowest power comes
/// first.
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

/// Computes [`gelu`](super::gelu); returns `None` if `x` is not on the CPU device.
pub fn gelu<const D: usize>(x: &Tensor<D>) -> Option<Tensor<D>> {
    let values = HostView::of(x)?;
    let mut out = vec![0.0; values.slice().len()];
    out.par_chunks_mut(CHUNK)
        .zip(values.slice().par_chunks(CHUNK))
        .for_each(|(out, values)| {
            for (out, &x) in out.iter_mut().zip(values) {
                *out = 0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2));
            }
        });
    Some(values.tensor(out, x.dims()))
}

/// Computes the error function without branches, so that the compiler vectorises a loop over it.
fn erf(x: f32) -> f32 {
    let x = x.clamp(-SATURATED, SATURATED);
    let polynomial =
        |[a, b, c, d, e, f]: [f32; 6], t: f32| ((((f * t + e) * t + d) * t + c) * t + b) * t + a;
    x * polynomial(P, x * x) / polynomial(Q, x * x)
}
