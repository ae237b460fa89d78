//! Dense inverse search on one level of a pyramid: each patch starts from the coarser level's
//! flow, then looks at its neighbours' and leans on them where it is flat.

use rayon::prelude::*;

use super::{
    patch::{self, Match, Prior},
    pyramid::Level,
    template::{LEAST, SIDE, Template},
};
use crate::classical::fields::{
    flow_field::{Flow, KeptFlow},
    grid::{CELL, position},
};

/// Weight of the neighbours' flow against a patch's own gradients, in squared luma.
const PULL: f32 = 120.0;

/// The flow of the frames before, as a candidate on a level of the pyramid.
#[derive(Clone, Copy)]
pub struct Guess<'a> {
    pub flow: &'a KeptFlow,
    /// Halvings from the frame to the level.
    pub depth: usize,
}

impl Guess<'_> {
    fn at(&self, x: f32, y: f32) -> [f32; 2] {
        let scale = (1usize << self.depth) as f32;
        let fine = |t: f32| (t + 0.5) * scale - 0.5;
        self.flow.sample(fine(x), fine(y)).map(|t| t / scale)
    }
}

/// What was found for a patch.
#[derive(Clone, Copy)]
pub struct Node {
    pub flow: [f32; 2],
    /// Trust in it, 0 (unknown) to 1.
    pub weight: f32,
    /// Variance of the patch.
    pub texture: f32,
    pub found: Match,
}

/// The same level of two frames.
pub struct LevelPair<'a> {
    pub from: &'a Level,
    pub to: &'a Level,
    pub guess: Option<Guess<'a>>,
    /// Nothing coarser has been searched: look around widely.
    pub coarsest: bool,
}

impl LevelPair<'_> {
    /// Flow of the band's nodes, in its order, from a start over the whole level.
    pub fn estimate(&self, start: &Flow, band: &[u32]) -> Vec<Node> {
        let first: Vec<Node> = band
            .par_iter()
            .with_min_len(32)
            .map(|&i| self.first(start, i as usize))
            .collect();
        let mut slot = vec![u32::MAX; start.at.len()];
        for (n, &i) in band.iter().enumerate() {
            slot[i as usize] = n as u32;
        }
        let known = Known {
            width: start.width,
            height: start.height,
            slot: &slot,
            nodes: &first,
        };
        (0..band.len())
            .into_par_iter()
            .with_min_len(32)
            .map(|n| self.second(&known, band[n] as usize, &first[n]))
            .collect()
    }

    /// A node's patch and its place; `None` where too little is known.
    fn template(&self, node: usize, width: usize) -> Option<(Template, f32, f32)> {
        let corner = |n: usize| (n * CELL) as isize - 2;
        let (x, y) = (corner(node % width), corner(node / width));
        if (patch::known(self.from, x, y) as f32) < LEAST {
            return None;
        }
        let template = patch::extract(self.from, x, y);
        (template.count >= LEAST).then_some((template, x as f32, y as f32))
    }

    /// From the coarser level, or the frames before where that fits better.
    fn first(&self, start: &Flow, node: usize) -> Node {
        let origin = start.at[node];
        let Some((template, x, y)) = self.template(node, start.width) else {
            return unknown(origin);
        };
        let mut best = patch::compare(&template, self.to, x + origin[0], y + origin[1]);
        let mut consider = |[u, v]: [f32; 2]| {
            let other = patch::compare(&template, self.to, x + u, y + v);
            if other.residual < 0.9 * best.residual {
                best = other;
            }
        };
        if let Some(guess) = self.guess {
            let (px, py) = position(node, start.width);
            consider(guess.at(px, py));
        }
        if self.coarsest {
            for v in -3..=3 {
                for u in -3..=3 {
                    consider([u as f32, v as f32]);
                }
            }
        }
        self.settle(&template, best, (x, y), [best.x - x, best.y - y], 4)
    }

    /// Looks at the neighbours' flows, and leans on them where the patch is flat.
    fn second(&self, known: &Known, node: usize, own: &Node) -> Node {
        let Some((template, x, y)) = self.template(node, known.width) else {
            return unknown(own.flow);
        };
        let mut best = own.found;
        let (mut sum, mut total) = ([0.0; 2], 0.0);
        for (direct, other) in known.around(node) {
            let apart = (other.flow[0] - own.flow[0]).abs() + (other.flow[1] - own.flow[1]).abs();
            if direct && apart > 0.25 {
                let [u, v] = other.flow;
                let there = patch::compare(&template, self.to, x + u, y + v);
                if there.residual < 0.9 * best.residual {
                    best = there;
                }
            }
        }
        let here = [best.x - x, best.y - y];
        for (_, other) in known.around(node) {
            let apart = (other.flow[0] - here[0]).powi(2) + (other.flow[1] - here[1]).powi(2);
            let weight = other.weight / (1.0 + apart);
            sum[0] += weight * other.flow[0];
            sum[1] += weight * other.flow[1];
            total += weight;
        }
        let lean = if total > 1e-3 {
            sum.map(|s| s / total)
        } else {
            here
        };
        self.settle(&template, best, (x, y), lean, 3)
    }

    fn settle(
        &self,
        template: &Template,
        from: Match,
        (x, y): (f32, f32),
        lean: [f32; 2],
        steps: usize,
    ) -> Node {
        let prior = Prior {
            x: x + lean[0],
            y: y + lean[1],
            weight: PULL,
        };
        let found = patch::search(template, self.to, from, prior, steps);
        Node {
            flow: [found.x - x, found.y - y],
            weight: trust(template, &found),
            texture: template.variance,
            found,
        }
    }
}

/// How far a match is to be trusted, 0 to 1: enough pixels, structure both ways, alike.
pub fn trust(template: &Template, found: &Match) -> f32 {
    if found.count < LEAST {
        return 0.0;
    }
    let pixels = found.count / (SIDE * SIDE) as f32;
    let structure = found.corner / (found.corner + 200.0);
    pixels * (0.02 + structure) / (1.0 + found.residual / (12.0 + 0.1 * template.variance))
}

fn unknown(flow: [f32; 2]) -> Node {
    Node {
        flow,
        weight: 0.0,
        texture: 0.0,
        found: Match::default(),
    }
}

/// The first pass's nodes by place.
struct Known<'a> {
    width: usize,
    height: usize,
    slot: &'a [u32],
    nodes: &'a [Node],
}

impl Known<'_> {
    /// The known ones of the eight neighbours, and whether they share a side.
    fn around(&self, node: usize) -> impl Iterator<Item = (bool, &Node)> {
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
