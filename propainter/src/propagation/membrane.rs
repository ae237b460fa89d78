//! A smooth surface through colours at an edge: what a difference along a seam is spread by,
//! so that the seam does not show.

use super::grid::spread;

const SWEEPS: usize = 12;

/// Fills `free` places of a `width × height` field from the `fixed` ones (1 where `values`
/// holds a colour): smooth, and close to every fixed neighbour. Free places that touch neither
/// kind keep the far field's value. Without fixed places nothing changes.
pub fn membrane(
    (width, height): (usize, usize),
    values: &mut [[f32; 3]],
    fixed: &[u8],
    free: &[u32],
) {
    let weights: Vec<f32> = fixed.iter().map(|&f| f32::from(f)).collect();
    let Some(field) = spread(width, height, values, &weights) else {
        return;
    };
    let mut joined = fixed.to_vec();
    for &i in free {
        values[i as usize] = field[i as usize];
        joined[i as usize] = 1;
    }
    for sweep in 0..SWEEPS {
        let relax = |&i: &u32| {
            let i = i as usize;
            let (x, y) = (i % width, i / width);
            let mut sum = [0.0; 3];
            let mut count = 0.0;
            let mut join = |j: usize| {
                if joined[j] == 1 {
                    (0..3).for_each(|c| sum[c] += values[j][c]);
                    count += 1.0;
                }
            };
            if x > 0 {
                join(i - 1);
            }
            if x + 1 < width {
                join(i + 1);
            }
            if y > 0 {
                join(i - width);
            }
            if y + 1 < height {
                join(i + width);
            }
            if count > 0.0 {
                values[i] = sum.map(|s| s / count);
            }
        };
        if sweep % 2 == 0 {
            free.iter().for_each(relax);
        } else {
            free.iter().rev().for_each(relax);
        }
    }
}
