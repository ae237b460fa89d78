//! Optical flow between two frames by dense inverse search, on a grid of patches: every patch
//! of a pyramid's coarse levels, and on the fine ones those near the hole.

use rayon::prelude::*;

use super::{
    completion,
    grid::{CELL, Flow},
    patch::{self, LEAST, Match, Prior, SIDE, Template},
    plane::{Level, Pyramid},
};

/// Nodes around the hole that are measured on every level.
const BAND: usize = 6;
/// Levels of fewer nodes are measured everywhere.
const WHOLE: usize = 900;
/// Coarse levels on which the flow of the frames before is tried.
const GUESSED: usize = 2;
/// Weight of the neighbours' flow against a patch's own gradients, in squared luma.
const PULL: f32 = 120.0;

/// Share of textured patches that are found again below which two frames are two scenes;
/// on film it is over a half within a scene, and under a tenth across a cut.
const SAME_SCENE: f32 = 0.25;
/// Fewer textured patches than these say nothing about scenes.
const TELLING: usize = 16;

/// Flow from the first frame to the second and back, holes completed, and whether they show
/// two scenes. The guesses are flows of the frames before, in the same directions.
pub fn both_ways(
    first: &Pyramid,
    second: &Pyramid,
    guesses: (Option<&Flow>, Option<&Flow>),
) -> (Flow, Flow, bool) {
    let (mut there, mut back) = rayon::join(
        || measure(first, second, guesses.0),
        || measure(second, first, guesses.1),
    );
    let textured = there.textured + back.textured;
    let found = (there.found + back.found) as f32;
    let cut = textured >= TELLING && found < SAME_SCENE * textured as f32;
    let weights = (trusted(&there, &back), trusted(&back, &there));
    (there.weight, back.weight) = weights;
    rayon::join(|| there.complete(), || back.complete());
    (there.flow, back.flow, cut)
}

/// What was measured from one frame to another.
struct Measured {
    flow: Flow,
    /// Trust in each node, 0 (unknown: take it from around) to 1.
    weight: Vec<f32>,
    /// Finest level's nodes near the hole or in it.
    band: Vec<u32>,
    /// Patches with texture, and those of them that were found again; on the finest level
    /// that was measured everywhere.
    textured: usize,
    found: usize,
}

impl Measured {
    /// Fills what was not measured well, hole included, from what was.
    fn complete(&mut self) {
        completion::complete(
            &mut self.flow,
            &self.weight,
            &self.band,
            completion::Edges::Kept,
        );
    }
}

/// The weights of `there`, lowered where forth and back does not lead home.
fn trusted(there: &Measured, back: &Measured) -> Vec<f32> {
    let width = there.flow.width;
    let mut weight = there.weight.clone();
    for &i in &there.band {
        let i = i as usize;
        let (x, y) = position(i, width);
        let [u, v] = there.flow.at[i];
        let (x, y) = (x + u, y + v);
        if back.weight[nearest(&back.flow, x, y)] == 0.0 {
            continue;
        }
        let [bu, bv] = back.flow.sample(x, y);
        let miss = (u + bu).powi(2) + (v + bv).powi(2);
        weight[i] /= 1.0 + miss / (0.15 + 0.01 * (u * u + v * v));
    }
    weight
}

/// Flow from `from` to `to`; `previous` is the flow of the frames before, as a first guess.
fn measure(from: &Pyramid, to: &Pyramid, previous: Option<&Flow>) -> Measured {
    let mut coarse: Option<Flow> = None;
    let mut whole = (0, 0);
    for (depth, (a, b)) in from.0.iter().zip(&to.0).enumerate().rev() {
        let (width, height) = (a.width.div_ceil(CELL), a.height.div_ceil(CELL));
        let all = width * height <= WHOLE;
        let near = if all {
            vec![true; width * height]
        } else {
            grown(&holes(a, width, height), width, height, BAND)
        };
        let band: Vec<u32> = (0..(width * height) as u32)
            .filter(|&i| near[i as usize])
            .collect();
        let level = LevelPair {
            from: a,
            to: b,
            guess: previous
                .filter(|_| depth + GUESSED >= from.0.len())
                .map(|flow| Guess { flow, depth }),
            coarsest: coarse.is_none(),
        };
        let mut flow = coarse.map_or_else(
            || Flow::zero(width, height),
            |flow| flow.doubled(width, height),
        );
        let nodes = level.estimate(&flow, &band);
        let mut weight = vec![0.0; width * height];
        for (&i, node) in band.iter().zip(&nodes) {
            weight[i as usize] = node.weight;
            flow.at[i as usize] = node.flow;
        }
        if all {
            let comparable = |node: &&Node| node.weight > 0.0 && node.texture > 20.0;
            let textured = || nodes.iter().filter(comparable);
            let found = textured().filter(|node| node.found.residual < 0.4 * node.texture);
            whole = (textured().count(), found.count());
        }
        if depth == 0 {
            return Measured {
                flow,
                weight,
                band,
                textured: whole.0,
                found: whole.1,
            };
        }
        completion::complete(&mut flow, &weight, &band, completion::Edges::Soft);
        coarse = Some(flow);
    }
    unreachable!("a pyramid has a finest level")
}

/// Pixel position of a node.
pub fn position(node: usize, width: usize) -> (f32, f32) {
    let at = |n: usize| (n * CELL) as f32 + super::grid::MIDDLE;
    (at(node % width), at(node / width))
}

fn nearest(flow: &Flow, x: f32, y: f32) -> usize {
    let at = |t: f32, nodes: usize| ((t.max(0.0) as usize) / CELL).min(nodes - 1);
    at(y, flow.height) * flow.width + at(x, flow.width)
}

/// Nodes whose cell touches the hole.
fn holes(level: &Level, width: usize, height: usize) -> Vec<bool> {
    let mut out = vec![false; width * height];
    for y in 0..level.height {
        let start = level.offset(0, y as isize);
        let row = &level.valid[start..start + level.width];
        let out = &mut out[y / CELL * width..][..width];
        for (cell, out) in row.chunks(CELL).zip(out) {
            *out |= cell.contains(&0);
        }
    }
    out
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

/// The flow of the frames before, as a candidate on a level of the pyramid.
#[derive(Clone, Copy)]
struct Guess<'a> {
    flow: &'a Flow,
    depth: usize,
}

impl Guess<'_> {
    fn at(&self, x: f32, y: f32) -> [f32; 2] {
        let scale = (1usize << self.depth) as f32;
        let fine = |t: f32| (t + 0.5) * scale - 0.5;
        self.flow.sample(fine(x), fine(y)).map(|t| t / scale)
    }
}

#[derive(Clone, Copy)]
struct Node {
    flow: [f32; 2],
    weight: f32,
    texture: f32,
    found: Match,
}

struct LevelPair<'a> {
    from: &'a Level,
    to: &'a Level,
    guess: Option<Guess<'a>>,
    coarsest: bool,
}

impl LevelPair<'_> {
    /// Flow of the band's nodes, in its order.
    fn estimate(&self, start: &Flow, band: &[u32]) -> Vec<Node> {
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
        let template = Template::new(self.from, x, y);
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
