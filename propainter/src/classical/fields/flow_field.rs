//! Fields of displacements on the coarse grid.

use std::mem::size_of;

use super::{
    grid::{CELL, CELL_CENTRE, bilinear, interpolation_nodes},
    row_spans::{RowSpans, dilated},
};

/// Width in nodes of the margin that is stored around the measured nodes. The surroundings of a
/// hole stay within it for several frames when they move away from it.
pub const STORED_MARGIN: usize = 16;
/// A field of displacements in pixels over a frame or a level of its pyramid.
#[derive(Clone)]
pub struct FlowField {
    /// Width in nodes.
    pub width: usize,
    /// Height in nodes.
    pub height: usize,
    /// Displacement (right, down) of each node, row by row.
    pub vectors: Vec<[f32; 2]>,
}

impl FlowField {
    /// Returns a field of zero displacements, `width × height` nodes.
    pub fn zero(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            vectors: vec![[0.0; 2]; width * height],
        }
    }

    /// Returns the displacement at a pixel position: bilinear between nodes, constant beyond the
    /// outer ones.
    #[inline]
    pub fn sample(&self, x: f32, y: f32) -> [f32; 2] {
        let at = |x: usize, y: usize| self.vectors[y * self.width + x];
        bilinear((self.width, self.height), x, y, at)
    }

    /// Returns this field at the next finer level of a pyramid, `width × height` nodes there.
    pub fn upsampled(&self, width: usize, height: usize) -> Self {
        let columns: Vec<_> = (0..width)
            .map(|x| interpolation_nodes(halved(x), self.width))
            .collect();
        // The operations of `bilinear`, in its order: first along a row, once for all rows between.
        let line = |y: usize| -> Vec<[f32; 2]> {
            let row = &self.vectors[y * self.width..][..self.width];
            let at = |&(x0, x1, u): &(usize, usize, f32)| {
                let (a, b): ([f32; 2], [f32; 2]) = (row[x0], row[x1]);
                [0, 1].map(|c| a[c] + u * (b[c] - a[c]))
            };
            columns.iter().map(at).collect()
        };
        let mut lines = [(usize::MAX, Vec::new()), (usize::MAX, Vec::new())];
        let mut vectors = Vec::with_capacity(width * height);
        for y in 0..height {
            let (y0, y1, v) = interpolation_nodes(halved(y), self.height);
            if lines[1].0 == y0 {
                lines.swap(0, 1);
            }
            for (kept, y) in lines.iter_mut().zip([y0, y1]) {
                if kept.0 != y {
                    *kept = (y, line(y));
                }
            }
            let [(_, above), (_, below)] = &lines;
            let pairs = above.iter().zip(below);
            vectors.extend(
                pairs.map(|(a, b)| [0, 1].map(|c| a[c] + v * (b[c] - a[c])).map(|t| 2.0 * t)),
            );
        }
        Self {
            width,
            height,
            vectors,
        }
    }

    /// Returns the displacement of one node at the next finer level.
    #[inline]
    fn upsampled_node(&self, x: usize, y: usize) -> [f32; 2] {
        self.sample(halved(x), halved(y)).map(|t| 2.0 * t)
    }
}

/// Returns the position of a node on an axis, in pixels of the next coarser level.
fn halved(node: usize) -> f32 {
    // In terms of pixel centres, x on the fine level is (x + 0.5) / 2 − 0.5 on the coarse one.
    (node as f32 * CELL as f32 + CELL_CENTRE + 0.5) * 0.5 - 0.5
}

/// A flow field in compact form: measured nodes near the hole, and the next coarser level for the
/// rest.
pub struct StoredFlow {
    width: usize,
    height: usize,
    /// Displacement and round-trip error, in pixels. The error is the distance from the start after
    /// following the flow forth and back.
    measured: RowSpans<[f32; 3]>,
    coarse: Option<FlowField>,
}

impl StoredFlow {
    /// Stores `flow`, which was measured at `nodes` (in ascending order) and equals the upsampled
    /// `coarse` elsewhere, or zero without a coarser level. `error` holds the round-trip error of
    /// each of the nodes.
    pub fn new(flow: &FlowField, nodes: &[u32], error: &[f32], coarse: Option<FlowField>) -> Self {
        let (width, height) = (flow.width, flow.height);
        let mut remaining = nodes;
        let spans = (0..height).map(|y| {
            let end = ((y + 1) * width) as u32;
            let (row, after) = remaining.split_at(remaining.partition_point(|&node| node < end));
            remaining = after;
            let column = |node: u32| node as usize - y * width;
            match (row.first(), row.last()) {
                (Some(&first), Some(&last)) => column(first)..column(last) + 1,
                _ => 0..0,
            }
        });
        let spans: Vec<_> = spans.collect();
        let spans = dilated(&spans, STORED_MARGIN, width);
        let mut errors = nodes.iter().zip(error).peekable();
        // This closure visits the nodes in ascending order as well.
        let measured = RowSpans::new(
            height,
            |y| spans[y].clone(),
            |x, y| {
                let node = y * width + x;
                let [u, v] = flow.vectors[node];
                let error = errors.next_if(|(known, _)| **known == node as u32);
                [u, v, error.map_or(0.0, |(_, error)| *error)]
            },
        );
        let covers_all = nodes.len() == width * height;
        Self {
            width,
            height,
            measured,
            coarse: coarse.filter(|_| !covers_all),
        }
    }

    /// Returns a flow that is zero everywhere, between frames of this size in pixels.
    pub fn still(width: usize, height: usize) -> Self {
        let (width, height) = (width.div_ceil(CELL), height.div_ceil(CELL));
        Self {
            width,
            height,
            measured: RowSpans::new(height, |_| 0..0, |_, _| [0.0; 3]),
            coarse: None,
        }
    }

    /// Returns whether the flow was stored as [`still`](Self::still).
    pub fn is_still(&self) -> bool {
        self.coarse.is_none() && self.measured.is_empty()
    }

    /// Returns the displacement at a pixel position: bilinear between nodes, constant beyond the
    /// outer ones.
    pub fn sample(&self, x: f32, y: f32) -> [f32; 2] {
        let [u, v, _] = self.sample_with_error(x, y);
        [u, v]
    }

    /// Returns the displacement and the round-trip error at a pixel position.
    pub fn sample_with_error(&self, x: f32, y: f32) -> [f32; 3] {
        bilinear((self.width, self.height), x, y, |x, y| self.node(x, y))
    }

    #[inline]
    fn node(&self, x: usize, y: usize) -> [f32; 3] {
        self.measured.get(x, y).unwrap_or_else(|| {
            let coarse = self
                .coarse
                .as_ref()
                .map(|coarse| coarse.upsampled_node(x, y));
            let [u, v] = coarse.unwrap_or_default();
            [u, v, 0.0]
        })
    }

    /// Returns the bytes held on the heap.
    pub fn bytes(&self) -> u64 {
        let coarse = self
            .coarse
            .as_ref()
            .map_or(0, |flow| flow.vectors.capacity());
        self.measured.bytes() + (coarse * size_of::<[f32; 2]>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_bilinear_between_nodes_and_doubles_when_upsampled() {
        let mut flow = FlowField::zero(4, 3);
        for (i, at) in flow.vectors.iter_mut().enumerate() {
            *at = [(i % 4) as f32, (i / 4) as f32];
        }
        assert_eq!(flow.sample(1.5, 1.5), [0.0, 0.0]);
        assert_eq!(flow.sample(7.5, 3.5), [1.5, 0.5]);
        assert_eq!(flow.sample(-9.0, 99.0), [0.0, 2.0], "constant beyond");
        let fine = flow.upsampled(8, 6);
        assert_eq!(
            fine.vectors[3 * 8 + 4],
            flow.sample(8.5, 6.5).map(|t| 2.0 * t)
        );
    }

    #[test]
    fn a_stored_flow_equals_the_whole_field() {
        let (width, height) = (23, 17);
        let mut coarse = FlowField::zero(12, 9);
        for (i, at) in coarse.vectors.iter_mut().enumerate() {
            *at = [(i % 7) as f32 * 0.37, (i % 5) as f32 - 1.9];
        }
        let nodes: Vec<u32> = (0..(width * height) as u32)
            .filter(|i| (5..15).contains(&(i % 23)) && (3..9).contains(&(i / 23)) && i % 4 != 1)
            .collect();
        let all: Vec<u32> = (0..(width * height) as u32).collect();
        for nodes in [&nodes[..], &all, &[]] {
            let mut flow = coarse.upsampled(width, height);
            let error: Vec<f32> = nodes.iter().map(|&i| 0.01 * i as f32).collect();
            let mut errors = vec![0.0; width * height];
            for (&i, error) in nodes.iter().zip(&error) {
                flow.vectors[i as usize] = [i as f32 * 0.11, 3.0];
                errors[i as usize] = *error;
            }
            let kept = StoredFlow::new(&flow, nodes, &error, Some(coarse.clone()));
            for i in 0..500 {
                let (x, y) = (i as f32 * 0.31 - 8.0, i as f32 * 0.17 - 4.0);
                assert_eq!(kept.sample(x, y), flow.sample(x, y));
                let at = |x: usize, y: usize| [errors[y * width + x]];
                let [error] = bilinear((width, height), x, y, at);
                assert_eq!(kept.sample_with_error(x, y)[2], error);
            }
        }
    }

    #[test]
    fn a_whole_field_is_upsampled_as_each_of_its_nodes() {
        for (width, height) in [(9, 7), (1, 5), (2, 1)] {
            let mut coarse = FlowField::zero(width, height);
            for (i, at) in coarse.vectors.iter_mut().enumerate() {
                *at = [(i % 7) as f32 * 0.37, (i * i % 5) as f32 - 1.9];
            }
            for (width, height) in [(2 * width, 2 * height), (2 * width - 1, 2 * height - 1)] {
                let fine = coarse.upsampled(width, height);
                for (i, &vector) in fine.vectors.iter().enumerate() {
                    assert_eq!(vector, coarse.upsampled_node(i % width, i / width));
                }
            }
        }
    }

    #[test]
    fn a_still_flow_is_zero_everywhere_and_holds_no_nodes() {
        let still = StoredFlow::still(90, 50);
        assert!(still.is_still());
        assert_eq!(still.sample_with_error(44.0, 12.5), [0.0; 3]);
        let flow = FlowField::zero(8, 8);
        assert!(!StoredFlow::new(&flow, &[9], &[0.0], None).is_still());
    }
}
