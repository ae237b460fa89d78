//! Optical flow between two frames by dense inverse search, on a grid of patches: every patch
//! of a pyramid's coarse levels, and on the fine ones those near the hole.

use super::{
    completion,
    inverse_search::{Guess, LevelPair, Node},
    pyramid::{Level, Pyramid},
};
use crate::classical::{
    fields::{
        flow_field::{AROUND, Flow, KeptFlow},
        grid::{CELL, grown, position},
        row_spans::{both, widened},
    },
    hole::source_map::Usable,
};

/// Nodes around the hole that are measured on every level.
const BAND: usize = 6;
/// Levels of fewer nodes are measured everywhere.
const WHOLE: usize = 900;
/// Coarse levels on which the flow of the frames before is tried.
const GUESSED: usize = 2;
/// Share of textured patches that are found again below which two frames are two scenes;
/// it was never under 0.14 within a scene, nor over 0.07 across a cut.
const SAME_SCENE: f32 = 0.1;
/// Share of a patch's variance that may be left where it is found again.
const ALIKE: f32 = 0.2;
/// Variance of a patch that has texture.
const TEXTURED: f32 = 20.0;
/// Fewer textured patches than these say nothing about scenes.
const TELLING: usize = 16;

/// Flow from the first frame to the second and back, holes completed, and whether they show
/// two scenes. The guesses are flows of the frames before, in the same directions.
pub fn both_ways(
    first: &Pyramid,
    second: &Pyramid,
    guesses: (Option<&KeptFlow>, Option<&KeptFlow>),
) -> (KeptFlow, KeptFlow, bool) {
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
    let misses = (misses(&there, &back.flow), misses(&back, &there.flow));
    (there.kept(&misses.0), back.kept(&misses.1), cut)
}

/// What was measured from one frame to another.
struct Measured {
    flow: Flow,
    /// Trust in each node, 0 (unknown: take it from around) to 1.
    weight: Vec<f32>,
    /// Finest level's nodes near the hole or in it.
    band: Vec<u32>,
    /// The next coarser level, which the flow is taken from elsewhere.
    coarse: Option<Flow>,
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

    /// As it is kept, with how far from home the nodes of the band end.
    fn kept(self, misses: &[f32]) -> KeptFlow {
        KeptFlow::new(&self.flow, &self.band, misses, self.coarse)
    }
}

/// How far from home the way there and back ends, for each node of the band.
fn misses(there: &Measured, back: &Flow) -> Vec<f32> {
    let miss = |&i: &u32| {
        let (x, y) = position(i as usize, there.flow.width);
        let [u, v] = there.flow.at[i as usize];
        let [bu, bv] = back.sample(x + u, y + v);
        (u + bu).abs() + (v + bv).abs()
    };
    there.band.iter().map(miss).collect()
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
fn measure(from: &Pyramid, to: &Pyramid, previous: Option<&KeptFlow>) -> Measured {
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
        let mut flow = coarse.as_ref().map_or_else(
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
            let comparable = |node: &&Node| node.weight > 0.0 && node.texture > TEXTURED;
            let textured = || nodes.iter().filter(comparable);
            let found = textured().filter(|node| node.found.residual < ALIKE * node.texture);
            whole = (textured().count(), found.count());
        }
        if depth == 0 {
            return Measured {
                flow,
                weight,
                band,
                coarse,
                textured: whole.0,
                found: whole.1,
            };
        }
        completion::complete(&mut flow, &weight, &band, completion::Edges::Soft);
        coarse = Some(flow);
    }
    unreachable!("a pyramid has a finest level")
}

/// Nodes of the finest level that are measured around a hole, and those that are kept, at most.
pub fn nodes(usable: &Usable, (width, height): (usize, usize)) -> (u64, u64) {
    let (columns, rows) = (width.div_ceil(CELL), height.div_ceil(CELL));
    if columns * rows <= WHOLE {
        let all = (columns * rows) as u64;
        return (all, all);
    }
    let spans = (0..rows).map(|row| {
        let lines = row * CELL..((row + 1) * CELL).min(height);
        let span = lines
            .map(|y| usable.columns(y))
            .fold(0..0, |a, b| both(a, &b));
        span.start / CELL..span.end.div_ceil(CELL)
    });
    let spans: Vec<_> = spans.collect();
    let near = |by: usize| -> u64 {
        let spans = widened(&spans, by, columns);
        spans.iter().map(|span| span.len() as u64).sum()
    };
    (near(BAND), near(BAND + AROUND))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mask, synthetic::Scene};

    fn scene(pan: (f32, f32), seed: u64) -> Scene {
        Scene {
            pan,
            parallax: 0.0,
            ..Scene::new(160, 96, seed)
        }
    }

    fn hole() -> Mask {
        let mut hole = Mask::empty(160, 96);
        hole.add_rectangle(60, 30, 40, 24);
        hole
    }

    #[test]
    fn a_pan_is_measured_around_the_hole_and_completed_in_it() {
        let hole = hole();
        for pan in [(0.0, 0.0), (1.3, -0.6), (-7.5, 2.2), (17.0, 0.4)] {
            let scene = scene(pan, 3);
            let look = |i: usize| {
                // What the hole hides must not matter.
                let mut frame = scene.truth(i);
                let pixels = frame.rgb_mut().chunks_exact_mut(3).zip(hole.hole());
                pixels
                    .filter(|(_, hole)| **hole == 1)
                    .for_each(|(pixel, _)| pixel.copy_from_slice(&[255, 0, 0]));
                Pyramid::new(&frame, Usable::new(&hole).as_ref())
            };
            let (there, back, cut) = both_ways(&look(0), &look(1), (None, None));
            assert!(!cut, "pan {pan:?}");
            let mut sum = 0.0;
            for y in 6..15 {
                for x in 13..27 {
                    let (px, py) = position(y * 40 + x, 40);
                    let ([u, v], [bu, bv]) = (there.sample(px, py), back.sample(px, py));
                    let error = (u - pan.0).abs().max((v - pan.1).abs());
                    let error = error.max((bu + pan.0).abs()).max((bv + pan.1).abs());
                    assert!(
                        error < 0.4,
                        "pan {pan:?}, node {x}, {y}: {u}, {v}, {bu}, {bv}"
                    );
                    sum += error;
                }
            }
            let mean = sum / (9 * 14) as f32;
            println!("pan {pan:?}: {mean:.3} pixels");
            assert!(mean < 0.08, "pan {pan:?}: {mean} pixels");
        }
    }

    #[test]
    fn two_scenes_are_told_apart_and_a_plain_picture_is_none() {
        let look = |frame: &crate::Frame| Pyramid::new(frame, Usable::new(&hole()).as_ref());
        let (a, b) = (scene((1.0, 0.0), 3), scene((1.0, 0.0), 4));
        let cut = |a: &Pyramid, b: &Pyramid| both_ways(a, b, (None, None)).2;
        assert!(cut(&look(&a.truth(0)), &look(&b.truth(1))));
        assert!(!cut(&look(&a.truth(0)), &look(&a.truth(1))));
        let plain = crate::Frame::new(160, 96, vec![90; 3 * 160 * 96]);
        assert!(!cut(&look(&plain), &look(&plain)));
    }
}
