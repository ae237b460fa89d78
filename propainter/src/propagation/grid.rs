//! Smooth fields on a coarse grid: one node at the middle of every 4×4 pixels.

use std::mem::size_of;

use super::rows::{Rows, widened};

/// Pixels between nodes.
pub const CELL: usize = 4;
/// Nodes around those that were measured that are kept with them: surroundings of a hole that
/// move away from it are met there for a while.
pub const AROUND: usize = 16;
/// Where node 0 lies, in pixels: the middle of its cell.
pub const MIDDLE: f32 = 1.5;

/// A field of displacements in pixels over a picture (or a pyramid level).
#[derive(Clone)]
pub struct Flow {
    /// Size in nodes.
    pub width: usize,
    pub height: usize,
    pub at: Vec<[f32; 2]>,
}

impl Flow {
    pub fn zero(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            at: vec![[0.0; 2]; width * height],
        }
    }

    /// The displacement at a pixel position, bilinear, constant beyond the outer nodes.
    #[inline]
    pub fn sample(&self, x: f32, y: f32) -> [f32; 2] {
        let at = |x: usize, y: usize| self.at[y * self.width + x];
        between((self.width, self.height), x, y, at)
    }

    /// This field for the next finer level of a pyramid, `width × height` nodes there.
    pub fn doubled(&self, width: usize, height: usize) -> Self {
        let nodes = (0..width * height).map(|i| self.finer(i % width, i / width));
        Self {
            width,
            height,
            at: nodes.collect(),
        }
    }

    /// What a node of the next finer level takes from this one.
    #[inline]
    fn finer(&self, x: usize, y: usize) -> [f32; 2] {
        // Pixel centres: x on the fine level is (x + 0.5) / 2 − 0.5 on the coarse one.
        let half = |t: usize| (t as f32 * CELL as f32 + MIDDLE + 0.5) * 0.5 - 0.5;
        self.sample(half(x), half(y)).map(|t| 2.0 * t)
    }
}

/// A field as it is kept: what was measured near the hole, and the next coarser level, which
/// says what is elsewhere.
pub struct KeptFlow {
    width: usize,
    height: usize,
    /// The displacement and by how many pixels the way there and back does not lead home.
    near: Rows<[f32; 3]>,
    coarse: Option<Flow>,
}

impl KeptFlow {
    /// `flow` was measured at `nodes` and is `coarse`, doubled, elsewhere; nothing where there is
    /// no coarser level. `miss` is that of each of the nodes, which are in order.
    pub fn new(flow: &Flow, nodes: &[u32], miss: &[f32], coarse: Option<Flow>) -> Self {
        let (width, height) = (flow.width, flow.height);
        let mut rest = nodes;
        let spans = (0..height).map(|y| {
            let end = ((y + 1) * width) as u32;
            let (row, after) = rest.split_at(rest.partition_point(|&node| node < end));
            rest = after;
            let column = |node: u32| node as usize - y * width;
            match (row.first(), row.last()) {
                (Some(&first), Some(&last)) => column(first)..column(last) + 1,
                _ => 0..0,
            }
        });
        let spans: Vec<_> = spans.collect();
        let spans = widened(&spans, AROUND, width);
        let mut misses = nodes.iter().zip(miss).peekable();
        // Nodes come in order here, too.
        let near = Rows::new(
            height,
            |y| spans[y].clone(),
            |x, y| {
                let node = y * width + x;
                let [u, v] = flow.at[node];
                let miss = misses.next_if(|(known, _)| **known == node as u32);
                [u, v, miss.map_or(0.0, |(_, miss)| *miss)]
            },
        );
        let everywhere = nodes.len() == width * height;
        Self {
            width,
            height,
            near,
            coarse: coarse.filter(|_| !everywhere),
        }
    }

    /// The displacement at a pixel position, bilinear, constant beyond the outer nodes.
    pub fn sample(&self, x: f32, y: f32) -> [f32; 2] {
        let [u, v, _] = self.sample_with_miss(x, y);
        [u, v]
    }

    /// The displacement and the miss at a pixel position.
    pub fn sample_with_miss(&self, x: f32, y: f32) -> [f32; 3] {
        between((self.width, self.height), x, y, |x, y| self.node(x, y))
    }

    #[inline]
    fn node(&self, x: usize, y: usize) -> [f32; 3] {
        self.near.get(x, y).unwrap_or_else(|| {
            let coarse = self.coarse.as_ref().map(|coarse| coarse.finer(x, y));
            let [u, v] = coarse.unwrap_or_default();
            [u, v, 0.0]
        })
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> u64 {
        let coarse = self.coarse.as_ref().map_or(0, |flow| flow.at.capacity());
        self.near.bytes() + (coarse * size_of::<[f32; 2]>()) as u64
    }
}

/// A field between its nodes, at a pixel position.
#[inline(always)]
fn between<const C: usize>(
    (width, height): (usize, usize),
    x: f32,
    y: f32,
    at: impl Fn(usize, usize) -> [f32; C],
) -> [f32; C] {
    let (x0, x1, u) = span(x, width);
    let (y0, y1, v) = span(y, height);
    let (a, b, c, d) = (at(x0, y0), at(x1, y0), at(x0, y1), at(x1, y1));
    std::array::from_fn(|i| {
        let above = a[i] + u * (b[i] - a[i]);
        let below = c[i] + u * (d[i] - c[i]);
        above + v * (below - above)
    })
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

    #[test]
    fn a_kept_flow_is_the_whole_one() {
        let (width, height) = (23, 17);
        let mut coarse = Flow::zero(12, 9);
        for (i, at) in coarse.at.iter_mut().enumerate() {
            *at = [(i % 7) as f32 * 0.37, (i % 5) as f32 - 1.9];
        }
        let nodes: Vec<u32> = (0..(width * height) as u32)
            .filter(|i| (5..15).contains(&(i % 23)) && (3..9).contains(&(i / 23)) && i % 4 != 1)
            .collect();
        let all: Vec<u32> = (0..(width * height) as u32).collect();
        for nodes in [&nodes[..], &all, &[]] {
            let mut flow = coarse.doubled(width, height);
            let miss: Vec<f32> = nodes.iter().map(|&i| 0.01 * i as f32).collect();
            let mut misses = vec![0.0; width * height];
            for (&i, miss) in nodes.iter().zip(&miss) {
                flow.at[i as usize] = [i as f32 * 0.11, 3.0];
                misses[i as usize] = *miss;
            }
            let kept = KeptFlow::new(&flow, nodes, &miss, Some(coarse.clone()));
            for i in 0..500 {
                let (x, y) = (i as f32 * 0.31 - 8.0, i as f32 * 0.17 - 4.0);
                assert_eq!(kept.sample(x, y), flow.sample(x, y));
                let at = |x: usize, y: usize| [misses[y * width + x]];
                let [miss] = between((width, height), x, y, at);
                assert_eq!(kept.sample_with_miss(x, y)[2], miss);
            }
        }
    }
}
