//! Dense inverse search on one level of a pyramid. Each patch starts from the flow of the coarser
//! level, then tries its neighbours' flow and is regularised by it where texture is weak.

use rayon::prelude::*;

use super::{
    patch::{self, Match, Prior},
    pyramid::PyramidLevel,
    template::{MIN_KNOWN, PATCH_SIDE, Template},
};
use crate::classical::fields::{
    flow_field::{FlowField, StoredFlow},
    grid::{CELL, node_position},
};

/// Weight of the neighbours' flow relative to the gradients of the patch, in squared luma.
const NEIGHBOUR_WEIGHT: f32 = 120.0;

/// The flow of the previous frames, as a candidate on one level of the pyramid.
#[derive(Clone, Copy)]
pub struct PredictedFlow<'a> {
    /// The flow at full resolution.
    pub flow: &'a StoredFlow,
    /// Number of halvings from the frame to the level.
    pub depth: usize,
}

impl PredictedFlow<'_> {
    /// Returns the displacement at a position, both in pixels of the level.
    fn at(&self, x: f32, y: f32) -> [f32; 2] {
        let scale = (1usize << self.depth) as f32;
        let fine = |t: f32| (t + 0.5) * scale - 0.5;
        self.flow.sample(fine(x), fine(y)).map(|t| t / scale)
    }
}

/// The estimate for the patch at a node.
#[derive(Clone, Copy)]
pub struct NodeEstimate {
    /// Displacement in pixels.
    pub flow: [f32; 2],
    /// Confidence, from 0 (unknown) to 1.
    pub weight: f32,
    /// Variance of the patch.
    pub texture: f32,
    /// The match that the flow leads to.
    pub matched: Match,
}

/// The same level of two frames.
pub struct LevelPair<'a> {
    /// Level of the frame whose patches are searched for.
    pub from: &'a PyramidLevel,
    /// Level of the frame that is searched.
    pub to: &'a PyramidLevel,
    /// Flow of the previous frames, on levels that try it.
    pub prediction: Option<PredictedFlow<'a>>,
    /// Whether this is the coarsest level, which searches a wide neighbourhood.
    pub coarsest: bool,
    /// Largest numbers of refinement steps in the first and the second pass.
    pub steps: [usize; 2],
}

impl LevelPair<'_> {
    /// Estimates the flow of the nodes in `band`, in their order. `start` is the initial flow of
    /// the whole level.
    pub fn estimate(&self, start: &FlowField, band: &[u32]) -> Vec<NodeEstimate> {
        let first: Vec<NodeEstimate> = band
            .par_iter()
            .with_min_len(32)
            .map(|&i| self.first_estimate(start, i as usize))
            .collect();
        let mut slot = vec![u32::MAX; start.vectors.len()];
        for (n, &i) in band.iter().enumerate() {
            slot[i as usize] = n as u32;
        }
        let first_pass = FirstPass {
            width: start.width,
            height: start.height,
            slot: &slot,
            nodes: &first,
        };
        (0..band.len())
            .into_par_iter()
            .with_min_len(32)
            .map(|n| self.second_estimate(&first_pass, band[n] as usize, &first[n]))
            .collect()
    }

    /// Returns the patch at a node and its upper left corner, or `None` if too few pixels are
    /// known.
    fn template(&self, node: usize, width: usize) -> Option<(Template, f32, f32)> {
        let corner = |n: usize| (n * CELL) as isize - 2;
        let (x, y) = (corner(node % width), corner(node / width));
        if (patch::known(self.from, x, y) as f32) < MIN_KNOWN {
            return None;
        }
        let template = patch::extract(self.from, x, y);
        (template.count >= MIN_KNOWN).then_some((template, x as f32, y as f32))
    }

    /// Estimates a node from the coarser level, or from the previous frames if that fits better.
    fn first_estimate(&self, start: &FlowField, node: usize) -> NodeEstimate {
        let origin = start.vectors[node];
        let Some((template, x, y)) = self.template(node, start.width) else {
            return unmatched(origin);
        };
        let mut best = patch::compare(&template, self.to, x + origin[0], y + origin[1]);
        let mut try_candidate = |[u, v]: [f32; 2]| {
            let other = patch::compare(&template, self.to, x + u, y + v);
            if other.residual < 0.9 * best.residual {
                best = other;
            }
        };
        if let Some(prediction) = self.prediction {
            let (px, py) = node_position(node, start.width);
            try_candidate(prediction.at(px, py));
        }
        if self.coarsest {
            for v in -3..=3 {
                for u in -3..=3 {
                    try_candidate([u as f32, v as f32]);
                }
            }
        }
        self.refine(
            &template,
            best,
            (x, y),
            [best.x - x, best.y - y],
            self.steps[0],
        )
    }

    /// Improves a node by its neighbours' flow, which also regularises the search.
    fn second_estimate(
        &self,
        first_pass: &FirstPass,
        node: usize,
        own: &NodeEstimate,
    ) -> NodeEstimate {
        let Some((template, x, y)) = self.template(node, first_pass.width) else {
            return unmatched(own.flow);
        };
        let mut best = own.matched;
        let (mut sum, mut total) = ([0.0; 2], 0.0);
        for (direct, other) in first_pass.neighbours(node) {
            let difference =
                (other.flow[0] - own.flow[0]).abs() + (other.flow[1] - own.flow[1]).abs();
            if direct && difference > 0.25 {
                let [u, v] = other.flow;
                let there = patch::compare(&template, self.to, x + u, y + v);
                if there.residual < 0.9 * best.residual {
                    best = there;
                }
            }
        }
        let here = [best.x - x, best.y - y];
        for (_, other) in first_pass.neighbours(node) {
            let difference = (other.flow[0] - here[0]).powi(2) + (other.flow[1] - here[1]).powi(2);
            let weight = other.weight / (1.0 + difference);
            sum[0] += weight * other.flow[0];
            sum[1] += weight * other.flow[1];
            total += weight;
        }
        let anchor = if total > 1e-3 {
            sum.map(|s| s / total)
        } else {
            here
        };
        self.refine(&template, best, (x, y), anchor, self.steps[1])
    }

    /// Refines a match by Gauss–Newton steps, pulled towards the displacement `anchor`.
    fn refine(
        &self,
        template: &Template,
        from: Match,
        (x, y): (f32, f32),
        anchor: [f32; 2],
        steps: usize,
    ) -> NodeEstimate {
        let prior = Prior {
            x: x + anchor[0],
            y: y + anchor[1],
            weight: NEIGHBOUR_WEIGHT,
        };
        let matched = patch::refine(template, self.to, from, prior, steps);
        NodeEstimate {
            flow: [matched.x - x, matched.y - y],
            weight: confidence(template, &matched),
            texture: template.variance,
            matched,
        }
    }
}

/// Returns the confidence in a match, 0 to 1. It rises with the number of known pixels and with
/// texture in both directions, and falls with the residual.
pub fn confidence(template: &Template, matched: &Match) -> f32 {
    if matched.count < MIN_KNOWN {
        return 0.0;
    }
    let pixels = matched.count / (PATCH_SIDE * PATCH_SIDE) as f32;
    let structure = matched.corner / (matched.corner + 200.0);
    pixels * (0.02 + structure) / (1.0 + matched.residual / (12.0 + 0.1 * template.variance))
}

/// Returns an estimate of zero confidence.
fn unmatched(flow: [f32; 2]) -> NodeEstimate {
    NodeEstimate {
        flow,
        weight: 0.0,
        texture: 0.0,
        matched: Match::default(),
    }
}

/// The estimates of the first pass, found by node.
struct FirstPass<'a> {
    width: usize,
    height: usize,
    slot: &'a [u32],
    nodes: &'a [NodeEstimate],
}

impl FirstPass<'_> {
    /// Iterates over the estimated ones among the eight neighbours, with whether they share a side.
    fn neighbours(&self, node: usize) -> impl Iterator<Item = (bool, &NodeEstimate)> {
        let (x, y) = ((node % self.width) as isize, (node / self.width) as isize);
        let offsets = [-1isize, 0, 1];
        offsets
            .into_iter()
            .flat_map(move |dy| offsets.into_iter().map(move |dx| (dx, dy)))
            .filter(|&offset| offset != (0, 0))
            .filter_map(move |(dx, dy)| {
                let (x, y) = (x + dx, y + dy);
                let inside =
                    x >= 0 && y >= 0 && x < self.width as isize && y < self.height as isize;
                let slot = if inside {
                    self.slot[y as usize * self.width + x as usize]
                } else {
                    u32::MAX
                };
                let node = self.nodes.get(slot as usize)?;
                (node.weight > 0.0).then_some((dx == 0 || dy == 0, node))
            })
    }
}
