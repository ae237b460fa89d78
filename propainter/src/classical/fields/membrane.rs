//! The membrane: harmonic interpolation, which solves Laplace's equation between fixed values.
//! Blending with it is seamless cloning (Pérez et al. 2003, "Poisson Image Editing").

use super::{grid::for_each_neighbour, pull_push};

/// Number of relaxation sweeps after the start by pull–push interpolation.
const SWEEPS: usize = 8;
/// Factor of successive over-relaxation, which speeds up convergence.
const OVER_RELAXATION: f32 = 1.5;
/// Largest difference, in levels of 255, that is invisible. Smaller differences are not spread.
const VISIBLE: f32 = 1.0;

/// Interpolates a `width × height` field at the `free` positions from the `fixed` ones.
///
/// `fixed` is 1 where `values` holds a difference of colours to match. The result is smooth and
/// close to every fixed neighbour. Nothing changes if no fixed difference is visible.
pub fn interpolate(
    (width, height): (usize, usize),
    values: &mut [[f32; 3]],
    fixed: &[u8],
    free: &[u32],
) {
    let visible =
        |(value, &fixed): (&[f32; 3], &u8)| fixed == 1 && value.iter().any(|v| v.abs() > VISIBLE);
    if !values.iter().zip(fixed).any(visible) {
        return;
    }
    let weights: Vec<f32> = fixed.iter().map(|&f| f32::from(f)).collect();
    let Some(field) = pull_push::interpolate(width, height, values, &weights) else {
        return;
    };
    let mut known = fixed.to_vec();
    for &i in free {
        values[i as usize] = field[i as usize];
        known[i as usize] = 1;
    }
    for sweep in 0..SWEEPS {
        let relax = |&i: &u32| {
            let i = i as usize;
            let mut sum = [0.0; 3];
            let mut count = 0.0;
            for_each_neighbour(i, width, height, |j| {
                if known[j] == 1 {
                    (0..3).for_each(|c| sum[c] += values[j][c]);
                    count += 1.0;
                }
            });
            if count > 0.0 {
                let to = sum.map(|s| s / count);
                let from = values[i];
                values[i] = std::array::from_fn(|c| from[c] + OVER_RELAXATION * (to[c] - from[c]));
            }
        };
        if sweep % 2 == 0 {
            free.iter().for_each(relax);
        } else {
            free.iter().rev().for_each(relax);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills the 12×6 free positions in the middle of a 20×12 field. Their neighbours are fixed at
    /// the values of `at`.
    fn filled(at: impl Fn(usize, usize) -> f32) -> Vec<[f32; 3]> {
        let inside = |x: usize, y: usize| (4..16).contains(&x) && (3..9).contains(&y);
        let mut values = vec![[0.0; 3]; 20 * 12];
        let mut fixed = vec![0; 20 * 12];
        let mut free = Vec::new();
        for y in 1..11 {
            for x in 1..19 {
                let rim = [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)];
                if inside(x, y) {
                    free.push((y * 20 + x) as u32);
                } else if rim.into_iter().any(|(x, y)| inside(x, y)) {
                    fixed[y * 20 + x] = 1;
                    values[y * 20 + x] = [at(x, y); 3];
                }
            }
        }
        interpolate((20, 12), &mut values, &fixed, &free);
        free.iter().map(|&i| values[i as usize]).collect()
    }

    #[test]
    fn a_uniform_border_fills_the_interior() {
        assert!(
            filled(|_, _| 9.0)
                .iter()
                .flatten()
                .all(|v| (v - 9.0).abs() < 0.01)
        );
    }

    #[test]
    fn interpolated_values_stay_within_the_range_of_the_border() {
        let values = filled(|x, _| x as f32);
        assert!(values.iter().flatten().all(|v| (3.0..=16.0).contains(v)));
        assert!(values[0][0] < 6.0 && values[11][0] > 13.0);
    }

    #[test]
    fn invisible_differences_are_not_spread() {
        assert!(filled(|_, _| 0.8).iter().flatten().all(|&v| v == 0.0));
    }
}
