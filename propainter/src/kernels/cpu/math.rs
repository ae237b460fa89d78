//! Transcendental functions without branches, so that the compiler vectorises a loop over them.
//! Call them in an [`isa::Job`](crate::device::isa::Job).

/// Computes eˣ within 2 units in the last place. Underflows to a value below 1e-37; overflows to
/// infinity above 88.7.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// Adding and subtracting it rounds to the nearest integer; the sum has that integer in its low
    /// bits.
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³
    const LN2_HIGH: f32 = 0.693_359_4; // so few digits that n · LN2_HIGH is exact
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-86.0, 88.8);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    // The Taylor series of eʳ for |r| ≤ ln 2 / 2. The first term left out is below 2⁻²⁶.
    let series = 1.0 / 5040.0;
    let series = series * r + 1.0 / 720.0;
    let series = series * r + 1.0 / 120.0;
    let series = series * r + 1.0 / 24.0;
    let series = series * r + 1.0 / 6.0;
    let series = series * r + 0.5;
    let series = series * (r * r) + r + 1.0;
    // Two factors, because 2¹²⁸ alone overflows.
    let power = |n: i32| f32::from_bits(((n + 127) << 23) as u32);
    let n = shifted.to_bits() as i32 - ROUND.to_bits() as i32;
    series * power(n >> 1) * power(n - (n >> 1))
}

/// Computes the hyperbolic tangent within 2e-7.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let e = exp(-2.0 * x.abs());
    ((1.0 - e) / (1.0 + e)).copysign(x)
}

/// Computes the logistic sigmoid 1 / (1 + e⁻ˣ) within 2e-7.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everywhere() -> impl Iterator<Item = f32> {
        (-880_000..=880_000).map(|i| i as f32 * 1e-4 + 3.3e-5)
    }

    #[test]
    fn exponentials_are_right_to_two_units_in_the_last_place() {
        for x in everywhere().filter(|x| *x > -86.0) {
            let exact = f64::from(x).exp();
            let ulp = f64::from((exact as f32).next_up()) - f64::from(exact as f32);
            let error = (f64::from(exp(x)) - exact).abs() / ulp;
            assert!(error <= 2.0, "exp({x}) is off by {error} units");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
        assert_eq!(exp(89.0), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn tanh_and_sigmoid_are_right_to_2e_7() {
        for x in everywhere() {
            let wide = f64::from(x);
            assert!((f64::from(tanh(x)) - wide.tanh()).abs() < 2e-7, "tanh({x})");
            let exact = 1.0 / (1.0 + (-wide).exp());
            assert!((f64::from(sigmoid(x)) - exact).abs() < 2e-7, "sigmoid({x})");
        }
    }
}
