//! The one-dimensional transforms of Winograd's minimal filtering F(4, r), constructed by the
//! Toom–Cook algorithm.
//!
//! Four neighbouring outputs of a kernel with r taps depend on n = r + 3 inputs. Inputs and taps are
//! the coefficients of polynomials. The algorithm evaluates both at n points, multiplies there, with
//! n products instead of 4r, and interpolates the outputs: y = Aᵀ((G g) ⊙ (Bᵀ d)). The points are 0,
//! pairs ±p, and infinity. With the pairs chosen here the rounding error stays within three times
//! (r = 3, both axes) and five times (r = 5) that of the direct sum in `f32`.

use crate::kernels::cpu::micro_kernel::Lanes;

/// Outputs of one tile along a transformed axis.
pub const OUTPUTS: usize = 4;

/// The pairs ±p of points, for three taps and for five.
const THREE: [f64; 2] = [0.625, 1.5];
const FIVE: [f64; 3] = [0.5, 1.0, 2.0];

/// Returns the number of inputs of one tile, which equals its number of products, along an axis with
/// this many taps; `None` if there is no transform. For a single tap the transform is the identity.
pub fn inputs(taps: usize) -> Option<usize> {
    match taps {
        1 => Some(1),
        3 | 5 => Some(taps + OUTPUTS - 1),
        _ => None,
    }
}

/// Returns the number of outputs of one tile along an axis with this many inputs in a tile.
pub fn outputs(inputs: usize) -> usize {
    if inputs == 1 { 1 } else { OUTPUTS }
}

/// Computes `G g`: the kernel's polynomial, evaluated at the points.
pub fn kernel(taps: &[f64]) -> Vec<f64> {
    let pairs: &[f64] = match taps.len() {
        1 => return taps.to_vec(),
        3 => &THREE,
        _ => &FIVE,
    };
    let signed = pairs.iter().flat_map(|&p| [p, -p]);
    let points: Vec<f64> = std::iter::once(0.0).chain(signed).collect();
    let at = |(index, &point): (usize, &f64)| {
        let value = taps.iter().rev().fold(0.0, |sum, tap| sum * point + tap);
        let others = points
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index);
        value / others.map(|(_, other)| point - other).product::<f64>()
    };
    let mut values: Vec<f64> = points.iter().enumerate().map(at).collect();
    values.extend(taps.last());
    values
}

/// Computes `Bᵀ d` in place, for sixteen tiles side by side.
#[inline(always)]
pub fn input(d: &mut [Lanes]) {
    match d.len() {
        6 => input_of_three(d),
        8 => input_of_five(d),
        _ => {}
    }
}

/// Computes `Aᵀ m` in place: the first [`outputs`] elements of `m` become the outputs.
#[inline(always)]
pub fn output(m: &mut [Lanes]) {
    match m.len() {
        6 => output_of_three(m),
        8 => output_of_five(m),
        _ => {}
    }
}

/// Computes `Bᵀ d` for three taps. Row j of Bᵀ holds the coefficients of the product of (x − point)
/// over the other points. The rows of ±p share their even coefficients and, up to the sign, their odd
/// ones.
#[inline(always)]
fn input_of_three(d: &mut [Lanes]) {
    const A: f32 = THREE[0] as f32;
    const B: f32 = THREE[1] as f32;
    let [d0, d1, d2, d3, d4, d5] = take(d);
    let mut v = [[0.0; 16]; 6];
    for n in 0..16 {
        let (d0, d1, d2) = (d0[n], d1[n], d2[n]);
        let (d3, d4, d5) = (d3[n], d4[n], d5[n]);
        v[0][n] = d4 - (A * A + B * B) * d2 + (A * A * B * B) * d0;
        let (even, odd) = (d4 - B * B * d2, A * (d3 - B * B * d1));
        (v[1][n], v[2][n]) = (even + odd, even - odd);
        let (even, odd) = (d4 - A * A * d2, B * (d3 - A * A * d1));
        (v[3][n], v[4][n]) = (even + odd, even - odd);
        v[5][n] = d5 - (A * A + B * B) * d3 + (A * A * B * B) * d1;
    }
    d.copy_from_slice(&v);
}

/// Computes `Aᵀ m` for three taps.
#[inline(always)]
fn output_of_three(m: &mut [Lanes]) {
    const A: f32 = THREE[0] as f32;
    const B: f32 = THREE[1] as f32;
    let [m0, m1, m2, m3, m4, m5] = take(m);
    let mut y = [[0.0; 16]; OUTPUTS];
    for n in 0..16 {
        let (sum_a, sum_b) = (m1[n] + m2[n], m3[n] + m4[n]);
        let (difference_a, difference_b) = (A * (m1[n] - m2[n]), B * (m3[n] - m4[n]));
        y[0][n] = m0[n] + sum_a + sum_b;
        y[1][n] = difference_a + difference_b;
        y[2][n] = A * A * sum_a + B * B * sum_b;
        y[3][n] = A * A * difference_a + B * B * difference_b + m5[n];
    }
    m[..OUTPUTS].copy_from_slice(&y);
}

/// Computes `Bᵀ d` for five taps.
#[inline(always)]
fn input_of_five(d: &mut [Lanes]) {
    let [d0, d1, d2, d3, d4, d5, d6, d7] = take(d);
    let mut v = [[0.0; 16]; 8];
    for n in 0..16 {
        let (d0, d1, d2, d3) = (d0[n], d1[n], d2[n], d3[n]);
        let (d4, d5, d6, d7) = (d4[n], d5[n], d6[n], d7[n]);
        // For ±1/2, ±1 and ±2: the sum of the squares, the sum of the products of two squares, and
        // the product of all three.
        v[0][n] = d6 - 5.25 * d4 + 5.25 * d2 - d0;
        let (even, odd) = (d6 - 5.0 * d4 + 4.0 * d2, 0.5 * (d5 - 5.0 * d3 + 4.0 * d1));
        (v[1][n], v[2][n]) = (even + odd, even - odd);
        let (even, odd) = (d6 - 4.25 * d4 + d2, d5 - 4.25 * d3 + d1);
        (v[3][n], v[4][n]) = (even + odd, even - odd);
        let (even, odd) = (
            d6 - 1.25 * d4 + 0.25 * d2,
            2.0 * (d5 - 1.25 * d3 + 0.25 * d1),
        );
        (v[5][n], v[6][n]) = (even + odd, even - odd);
        v[7][n] = d7 - 5.25 * d5 + 5.25 * d3 - d1;
    }
    d.copy_from_slice(&v);
}

/// Computes `Aᵀ m` for five taps.
#[inline(always)]
fn output_of_five(m: &mut [Lanes]) {
    let [m0, m1, m2, m3, m4, m5, m6, m7] = take(m);
    let mut y = [[0.0; 16]; OUTPUTS];
    for n in 0..16 {
        let (sum_half, sum_one, sum_two) = (m1[n] + m2[n], m3[n] + m4[n], m5[n] + m6[n]);
        let (half, one, two) = (m1[n] - m2[n], m3[n] - m4[n], m5[n] - m6[n]);
        y[0][n] = m0[n] + sum_half + sum_one + sum_two;
        y[1][n] = 0.5 * half + one + 2.0 * two;
        y[2][n] = 0.25 * sum_half + sum_one + 4.0 * sum_two;
        y[3][n] = 0.125 * half + one + 8.0 * two + m7[n];
    }
    m[..OUTPUTS].copy_from_slice(&y);
}

/// Copies the elements to an array.
#[inline(always)]
fn take<const N: usize>(d: &[Lanes]) -> [Lanes; N] {
    let mut taken = [[0.0; 16]; N];
    taken.copy_from_slice(d);
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_at_the_points_give_the_correlation() {
        for taps in [1, 3, 5] {
            let n = inputs(taps).expect("a transform");
            let g: Vec<f64> = (0..taps).map(|i| 0.3 + (i * i) as f64 * 0.7).collect();
            let d: Vec<f32> = (0..n).map(|i| (i as f32 * 1.7).sin()).collect();
            let mut values: Vec<Lanes> = d.iter().map(|&d| [d; 16]).collect();
            input(&mut values);
            for (value, weight) in values.iter_mut().zip(kernel(&g)) {
                value.iter_mut().for_each(|v| *v *= weight as f32);
            }
            output(&mut values);
            for (i, value) in values.iter().take(outputs(n)).enumerate() {
                let exact: f64 = (0..taps).map(|k| g[k] * f64::from(d[i + k])).sum();
                for lane in value {
                    assert!(
                        (f64::from(*lane) - exact).abs() < 1e-5,
                        "{taps} taps, output {i}"
                    );
                }
            }
        }
    }
}
