//! Pull–push interpolation of scattered samples (Gortler et al. 1996, "The Lumigraph").

/// Interpolates weighted samples smoothly over a `width × height` grid: `C` values and a weight in
/// [0, 1] per node.
///
/// Where no weighted sample is near, values come from farther away. Returns `None` if all weights
/// are zero.
pub fn interpolate<const C: usize>(
    width: usize,
    height: usize,
    values: &[[f32; C]],
    weights: &[f32],
) -> Option<Vec<[f32; C]>> {
    let mut levels = vec![WeightedLevel {
        width,
        height,
        sums: values
            .iter()
            .zip(weights)
            .map(|(value, weight)| value.map(|v| v * weight))
            .collect(),
        weights: weights.to_vec(),
    }];
    while let Some(last) = levels.last()
        && last.width.max(last.height) > 1
    {
        levels.push(last.pull());
    }
    let top = levels.pop()?;
    if top.weights[0] < 1e-6 {
        return None;
    }
    let (mut width, mut height) = (1, 1);
    let mut field = vec![top.sums[0].map(|v| v / top.weights[0])];
    for level in levels.iter().rev() {
        field = level.push(&field, width, height);
        (width, height) = (level.width, level.height);
    }
    Some(field)
}

/// One level of the pull–push pyramid.
struct WeightedLevel<const C: usize> {
    width: usize,
    height: usize,
    /// Values times their weights.
    sums: Vec<[f32; C]>,
    weights: Vec<f32>,
}

impl<const C: usize> WeightedLevel<C> {
    /// Returns the next coarser level: sums over 2×2 nodes, with weights saturating at one.
    fn pull(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut out = Self {
            width,
            height,
            sums: vec![[0.0; C]; width * height],
            weights: vec![0.0; width * height],
        };
        for y in 0..self.height {
            for x in 0..self.width {
                let (from, to) = (y * self.width + x, (y / 2) * width + x / 2);
                for c in 0..C {
                    out.sums[to][c] += self.sums[from][c];
                }
                out.weights[to] += self.weights[from];
            }
        }
        for (sum, weight) in out.sums.iter_mut().zip(&mut out.weights) {
            let scale = if *weight > 1.0 { 1.0 / *weight } else { 1.0 };
            *sum = sum.map(|v| v * scale);
            *weight *= scale;
        }
        out
    }

    /// Returns this level's samples composited over the interpolated field of the next coarser
    /// level.
    fn push(&self, coarse: &[[f32; C]], width: usize, height: usize) -> Vec<[f32; C]> {
        let mut out = Vec::with_capacity(self.sums.len());
        let pair = |i: usize, limit: usize| {
            let near = i / 2;
            let far = if i.is_multiple_of(2) {
                near.saturating_sub(1)
            } else {
                (near + 1).min(limit - 1)
            };
            (near, far)
        };
        for y in 0..self.height {
            let (y0, y1) = pair(y, height);
            for x in 0..self.width {
                let (x0, x1) = pair(x, width);
                let i = y * self.width + x;
                let corner = [
                    coarse[y0 * width + x0],
                    coarse[y0 * width + x1],
                    coarse[y1 * width + x0],
                    coarse[y1 * width + x1],
                ];
                let rest = 1.0 - self.weights[i].min(1.0);
                out.push(std::array::from_fn(|c| {
                    let up = 0.5625 * corner[0][c]
                        + 0.1875 * (corner[1][c] + corner[2][c])
                        + 0.0625 * corner[3][c];
                    self.sums[i][c] + rest * up
                }));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_samples_of_a_constant_reproduce_it() {
        for (width, height) in [(1, 1), (2, 5), (17, 9)] {
            let mut weights = vec![0.0; width * height];
            let mut values = vec![[0.0; 2]; width * height];
            for i in (0..width * height).step_by(7) {
                weights[i] = 0.3 + 0.1 * (i % 3) as f32;
                values[i] = [5.0, -2.0];
            }
            let field = interpolate(width, height, &values, &weights).expect("there are samples");
            for [a, b] in field {
                assert!((a - 5.0).abs() < 1e-3 && (b + 2.0).abs() < 1e-3, "{a}, {b}");
            }
        }
    }

    #[test]
    fn nothing_is_interpolated_without_samples() {
        assert!(interpolate(4, 3, &[[1.0]; 12], &[0.0; 12]).is_none());
    }
}
