//! Smooth fields on a coarse grid: one node at the middle of every 4×4 pixels.

/// Pixels between nodes.
pub const CELL: usize = 4;
/// Where node 0 lies, in pixels: the middle of its cell.
pub const MIDDLE: f32 = 1.5;

/// A field of displacements in pixels over a picture (or a pyramid level).
#[derive(Clone)]
pub struct Flow {
    /// Size in nodes.
    pub width: usize,
    pub height: usize,
    pub at: Vec<[f32; 2]>,
    /// By how many pixels the way there and back does not lead home; where not known, 0.
    pub miss: Vec<f32>,
}

impl Flow {
    pub fn zero(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            at: vec![[0.0; 2]; width * height],
            miss: vec![0.0; width * height],
        }
    }

    /// The displacement at a pixel position, bilinear, constant beyond the outer nodes.
    #[inline]
    pub fn sample(&self, x: f32, y: f32) -> [f32; 2] {
        self.between(x, y, |i| self.at[i])
    }

    /// The displacement and the miss at a pixel position.
    #[inline]
    pub fn sample_with_miss(&self, x: f32, y: f32) -> [f32; 3] {
        self.between(x, y, |i| {
            let [u, v] = self.at[i];
            [u, v, self.miss[i]]
        })
    }

    #[inline(always)]
    fn between<const C: usize>(&self, x: f32, y: f32, at: impl Fn(usize) -> [f32; C]) -> [f32; C] {
        let (x0, x1, u) = span(x, self.width);
        let (y0, y1, v) = span(y, self.height);
        let (top, bottom) = (y0 * self.width, y1 * self.width);
        let (a, b, c, d) = (at(top + x0), at(top + x1), at(bottom + x0), at(bottom + x1));
        std::array::from_fn(|i| {
            let above = a[i] + u * (b[i] - a[i]);
            let below = c[i] + u * (d[i] - c[i]);
            above + v * (below - above)
        })
    }

    /// This field for the next finer level of a pyramid, `width × height` nodes there.
    pub fn doubled(&self, width: usize, height: usize) -> Self {
        let nodes = (0..width * height).map(|i| {
            let (x, y) = ((i % width) as f32, (i / width) as f32);
            // Pixel centres: x on the fine level is (x + 0.5) / 2 − 0.5 on the coarse one.
            let half = |t: f32| (t * CELL as f32 + MIDDLE + 0.5) * 0.5 - 0.5;
            self.sample(half(x), half(y)).map(|t| 2.0 * t)
        });
        Self {
            width,
            height,
            at: nodes.collect(),
            miss: vec![0.0; width * height],
        }
    }
}

/// The two nodes around a pixel position on one axis, and the share of the second.
#[inline]
pub fn span(pixel: f32, nodes: usize) -> (usize, usize, f32) {
    let last = nodes - 1;
    let t = ((pixel - MIDDLE) * (1.0 / CELL as f32)).clamp(0.0, last as f32);
    // By way of i32, which takes one instruction.
    let first = (t as i32 as usize).min(last);
    (first, (first + 1).min(last), t - first as f32)
}

/// Pixel position of a node.
pub fn position(node: usize, width: usize) -> (f32, f32) {
    let at = |n: usize| (n * CELL) as f32 + MIDDLE;
    (at(node % width), at(node / width))
}

/// Calls `join` with the nodes left, right, above and below of node `i`, as far as the grid
/// has them.
#[inline(always)]
pub fn beside(i: usize, width: usize, height: usize, mut join: impl FnMut(usize)) {
    let (x, y) = (i % width, i / width);
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
}

/// Nodes within `radius` of a marked one, in both axes.
pub fn grown(marked: &[bool], width: usize, height: usize, radius: usize) -> Vec<bool> {
    let mut rows = vec![false; marked.len()];
    for y in 0..height {
        for x in (0..width).filter(|x| marked[y * width + x]) {
            let span = x.saturating_sub(radius)..(x + radius + 1).min(width);
            rows[y * width..][span].fill(true);
        }
    }
    let mut out = vec![false; marked.len()];
    for y in 0..height {
        for near in y.saturating_sub(radius)..(y + radius + 1).min(height) {
            for x in 0..width {
                out[near * width + x] |= rows[y * width + x];
            }
        }
    }
    out
}

/// Spreads weighted samples over a `width × height` grid, smoothly: `C` values and a weight
/// in [0, 1] per node. Where there is no weight near, values come from further off. Returns
/// `None` where there is no weight at all.
pub fn spread<const C: usize>(
    width: usize,
    height: usize,
    values: &[[f32; C]],
    weights: &[f32],
) -> Option<Vec<[f32; C]>> {
    let mut levels = vec![Sparse {
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
        levels.push(last.halved());
    }
    let top = levels.pop()?;
    if top.weights[0] < 1e-6 {
        return None;
    }
    let (mut width, mut height) = (1, 1);
    let mut field = vec![top.sums[0].map(|v| v / top.weights[0])];
    for level in levels.iter().rev() {
        field = level.over(&field, width, height);
        (width, height) = (level.width, level.height);
    }
    Some(field)
}

struct Sparse<const C: usize> {
    width: usize,
    height: usize,
    /// Values times weights.
    sums: Vec<[f32; C]>,
    weights: Vec<f32>,
}

impl<const C: usize> Sparse<C> {
    /// Sums over 2×2 nodes; the weight saturates at one.
    fn halved(&self) -> Self {
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

    /// This level's own samples over the field of the next coarser one.
    fn over(&self, coarse: &[[f32; C]], width: usize, height: usize) -> Vec<[f32; C]> {
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
    fn sparse_samples_of_a_constant_spread_to_it() {
        for (width, height) in [(1, 1), (2, 5), (17, 9)] {
            let mut weights = vec![0.0; width * height];
            let mut values = vec![[0.0; 2]; width * height];
            for i in (0..width * height).step_by(7) {
                weights[i] = 0.3 + 0.1 * (i % 3) as f32;
                values[i] = [5.0, -2.0];
            }
            let field = spread(width, height, &values, &weights).expect("there are samples");
            for [a, b] in field {
                assert!((a - 5.0).abs() < 1e-3 && (b + 2.0).abs() < 1e-3, "{a}, {b}");
            }
        }
    }

    #[test]
    fn no_samples_spread_to_nothing() {
        assert!(spread(4, 3, &[[1.0]; 12], &[0.0; 12]).is_none());
    }

    #[test]
    fn a_flow_is_bilinear_between_nodes_and_doubles_with_the_level() {
        let mut flow = Flow::zero(4, 3);
        for (i, at) in flow.at.iter_mut().enumerate() {
            *at = [(i % 4) as f32, (i / 4) as f32];
        }
        assert_eq!(flow.sample(1.5, 1.5), [0.0, 0.0]);
        assert_eq!(flow.sample(7.5, 3.5), [1.5, 0.5]);
        assert_eq!(flow.sample(-9.0, 99.0), [0.0, 2.0], "constant beyond");
        let fine = flow.doubled(8, 6);
        assert_eq!(fine.at[3 * 8 + 4], flow.sample(8.5, 6.5).map(|t| 2.0 * t));
    }
}
