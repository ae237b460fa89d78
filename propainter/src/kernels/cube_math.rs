//! Transcendental functions for GPU kernels, of additions, products, divisions and shifts alone.
//!
//! CubeCL turns `exp`, `tanh` and the like into calls of libdevice, which only a CUDA toolkit has.
//! These functions need no more than the driver. Each is within 2.1 units in the last place. The
//! coefficients are our own fits, reweighted towards the least maximum error.

use burn_cubecl::cubecl::{self, prelude::*};

/// ln 2, and what its rounding left out.
const LN2_HIGH: f32 = std::f32::consts::LN_2;
const LN2_LOW: f32 = (std::f64::consts::LN_2 - LN2_HIGH as f64) as f32;
/// eˣ is infinite above, and 0 below.
const EXP_MOST: f32 = 89.0;
const EXP_LEAST: f32 = -104.0;
/// Below it tanh is computed from a series, above it from an exponential.
const TANH_SPLIT: f32 = 0.6;
/// Below it erf is computed from a series, above it from an exponential.
const ERF_SPLIT: f32 = 0.93;
/// From here on erf is 1 in 32 bits.
const ERF_MOST: f32 = 3.95;

/// Returns 2ⁿ for n from -126 to 127.
#[cube]
fn power_of_two(n: i32) -> f32 {
    f32::reinterpret(u32::cast_from(n + 127) << 23u32)
}

/// Computes eˣ. It underflows to 0 by way of subnormal numbers, and overflows to infinity.
#[cube]
pub fn exp(x: f32) -> f32 {
    // The clamp ignores what is no number; it is put back below.
    let within = x.clamp(EXP_LEAST, EXP_MOST);
    let n = (within * std::f32::consts::LOG2_E).round();
    let r = fma(-n, LN2_HIGH, within);
    let r = fma(-n, LN2_LOW, r);
    // eʳ = 1 + r + r²·q(r) for |r| ≤ ln 2 / 2, relative error 5e-11.
    let q = fma(1.979_024_8e-4f32, r, 1.394_475_9e-3f32);
    let q = fma(q, r, 8.333_498e-3f32);
    let q = fma(q, r, 4.166_629_5e-2f32);
    let q = fma(q, r, 1.666_666_6e-1f32);
    let q = fma(q, r, 0.5f32);
    let series = fma(q, r * r, r) + 1.0;
    // Two factors, because 2¹²⁸ overflows and 2⁻¹⁵⁰ underflows.
    let n = i32::cast_from(n);
    let half = n >> 1i32;
    let power = series * power_of_two(half) * power_of_two(n - half);
    select(x.is_nan(), x, power)
}

/// Computes the logistic sigmoid 1 / (1 + e⁻ˣ).
#[cube]
pub fn sigmoid(x: f32) -> f32 {
    let e = exp(-x.abs());
    let over = select(x < 0.0f32, e, 1.0f32);
    over / (1.0 + e)
}

/// Computes the hyperbolic tangent.
#[cube]
pub fn tanh(x: f32) -> f32 {
    let magnitude = x.abs();
    let square = x * x;
    // tanh x = x + x·x²·p(x²) below the split, relative error 3e-9.
    let p = fma(-5.905_860_6e-3f32, square, 2.080_537_8e-2f32);
    let p = fma(p, square, -5.378_668e-2f32);
    let p = fma(p, square, 1.333_195_9e-1f32);
    let p = fma(p, square, -3.333_33e-1f32);
    let near = fma(p * square, x, x);
    let far = 1.0 - 2.0 / (exp(2.0 * magnitude) + 1.0);
    let far = select(x < 0.0f32, -far, far);
    select(magnitude < TANH_SPLIT, near, far)
}

/// Computes the error function.
#[cube]
pub fn erf(x: f32) -> f32 {
    let magnitude = x.abs();
    let square = x * x;
    // erf x = x + x·p(x²) below the split, relative error 5e-10.
    let p = fma(8.316_772_4e-5f32, square, -8.130_012e-4f32);
    let p = fma(p, square, 5.199_906_4e-3f32);
    let p = fma(p, square, -2.685_894e-2f32);
    let p = fma(p, square, 1.128_368_8e-1f32);
    let p = fma(p, square, -3.761_263_2e-1f32);
    let p = fma(p, square, 1.283_791_7e-1f32);
    let near = fma(p, x, x);
    // erf t = 1 - exp(t·q(t)) above it, relative error 7e-10.
    let t = magnitude.min(ERF_MOST);
    let q = fma(-1.161_252_7e-5f32, t, 3.266_248_4e-4f32);
    let q = fma(q, t, -3.658_018_3e-3f32);
    let q = fma(q, t, 2.379_502_4e-2f32);
    let q = fma(q, t, -1.062_752_1e-1f32);
    let q = fma(q, t, -6.351_281e-1f32);
    let q = fma(q, t, -1.128_654_2f32);
    let far = 1.0 - exp(q * t);
    let far = select(x < 0.0f32, -far, far);
    let erf = select(magnitude < ERF_SPLIT, near, far);
    select(x.is_nan(), x, erf)
}

/// Computes GELU by the error function: x/2 · (1 + erf(x/√2)).
#[cube]
pub fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}
