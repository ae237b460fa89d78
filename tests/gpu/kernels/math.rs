//! The transcendental functions of the GPU forms beside the same in 64 bits.

use burn::tensor::{DType, Device, Tensor, TensorData};
use propainter::internals::kernels::elementwise::cube::{Function, map};

use crate::gpu::kernels::support::devices;

/// Applies `function` on `device`.
fn apply(function: Function, values: &[f32], device: &Device) -> Vec<f32> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    let x: Tensor<1> = Tensor::from_data(data, (device, DType::F32));
    let out = map(&x, function).expect("a CubeCL device");
    out.into_data().try_into_vec().expect("floats")
}

/// Returns `count` values from `low` to `high`, not on a grid of 32 bits.
fn spread(low: f64, high: f64, count: usize) -> Vec<f32> {
    let step = (high - low) / (count - 1) as f64;
    (0..count).map(|i| (low + step * i as f64) as f32).collect()
}

/// Returns values of all sizes, both signs, from subnormal ones on.
fn sizes() -> Vec<f32> {
    let magnitudes = (0..2000).map(|i| 10f64.powf(-45.0 + i as f64 * 0.025) as f32);
    magnitudes.flat_map(|x| [x, -x]).collect()
}

/// Returns by how many units in the last place `value` misses `exact`.
fn units(value: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if value == nearest {
        return 0.0;
    }
    let up = f64::from(nearest.abs().next_up()) - f64::from(nearest.abs());
    (f64::from(value) - exact).abs() / up
}

/// The error function in 64 bits: its Taylor series, or the continued fraction of its complement.
fn erf(x: f64) -> f64 {
    let t = x.abs();
    let value = if t < 3.0 {
        let (mut term, mut sum) = (t, t);
        for n in 1..100 {
            term *= -t * t / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let fraction = (1..60).rev().fold(t, |f, k| t + f64::from(k) / 2.0 / f);
        1.0 - (-t * t).exp() / (fraction * std::f64::consts::PI.sqrt())
    };
    value.copysign(x)
}

#[test]
fn functions_are_right_to_few_units_in_the_last_place() {
    for (device, _) in devices() {
        for (function, exact, [low, high], bound) in [
            (
                Function::Exp,
                f64::exp as fn(f64) -> f64,
                [-104.0, 88.7],
                1.0,
            ),
            (
                Function::Sigmoid,
                |x| 1.0 / (1.0 + (-x).exp()),
                [-90.0, 90.0],
                2.1,
            ),
            (Function::Tanh, f64::tanh, [-10.0, 10.0], 2.0),
            (Function::Erf, erf, [-4.5, 4.5], 2.0),
        ] {
            let mut values = spread(low, high, 200_001);
            values.extend(spread(-1.0, 1.0, 100_001));
            values.extend(sizes().into_iter().filter(|x| x.abs() < 80.0));
            let out = apply(function, &values, &device);
            let errors = values.iter().zip(out).map(|(&x, out)| {
                let exact = exact(f64::from(x));
                (units(out, exact), x)
            });
            let (worst, x) = errors.fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
            println!("{function:?} on {device:?}: {worst:.2} units in the last place, at {x}");
            assert!(worst <= bound, "{function:?}({x}) is off by {worst} units");
        }
    }
}

#[test]
fn gelu_is_that_of_64_bits() {
    for (device, _) in devices() {
        let values = spread(-12.0, 12.0, 200_001);
        let out = apply(Function::Gelu, &values, &device);
        for (&x, out) in values.iter().zip(out) {
            let wide = f64::from(x);
            let exact = wide / 2.0 * (1.0 + erf(wide * std::f64::consts::FRAC_1_SQRT_2));
            // The sum with 1 is rounded.
            let bound = 2e-7 * wide.abs() + 1e-30;
            assert!((f64::from(out) - exact).abs() <= bound, "gelu({x}) = {out}");
        }
    }
}

#[test]
fn functions_keep_their_limits() {
    let ends = [
        f32::NEG_INFINITY,
        f32::MIN,
        -200.0,
        -0.0,
        0.0,
        200.0,
        f32::MAX,
        f32::INFINITY,
        f32::NAN,
    ];
    let infinite = f32::INFINITY;
    for (device, _) in devices() {
        for (function, expected) in [
            (
                Function::Exp,
                [0.0, 0.0, 0.0, 1.0, 1.0, infinite, infinite, infinite],
            ),
            (Function::Sigmoid, [0.0, 0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 1.0]),
            (Function::Tanh, [-1.0, -1.0, -1.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
            (Function::Erf, [-1.0, -1.0, -1.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
        ] {
            let out = apply(function, &ends, &device);
            assert_eq!(out[..8], expected, "{function:?} on {device:?}");
            assert!(out[8].is_nan(), "{function:?} of what is no number");
        }
        let out = apply(Function::Gelu, &[f32::NAN, f32::INFINITY, 0.0], &device);
        assert!(out[0].is_nan());
        assert_eq!(out[1..], [f32::INFINITY, 0.0]);
    }
}
