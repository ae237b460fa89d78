//! Bidirectional optical flow between two frames by dense inverse search. Coarse levels of the
//! pyramid are matched everywhere, fine ones only near the hole.

use super::{
    completion,
    inverse_search::{LevelPair, NodeEstimate, PredictedFlow},
    pyramid::{Pyramid, PyramidLevel},
    stillness::differ_by_noise,
};
use crate::classical::{
    effort::Effort,
    fields::{
        flow_field::{FlowField, STORED_MARGIN, StoredFlow},
        grid::{CELL, dilate, node_position},
        row_spans::{dilated, union},
    },
    hole::source_map::SourceMap,
};

/// Width in nodes of the band around the hole that is matched on every level.
const BAND: usize = 6;
/// Levels with at most this many nodes are matched everywhere.
const DENSE_LIMIT: usize = 900;
/// Number of coarse levels that try the flow of the previous frames as a candidate.
const PREDICTED_LEVELS: usize = 2;
/// Share of textured patches that must be matched again for two frames to be of one scene. Measured
/// shares were never below 0.14 within a scene, nor above 0.07 across a cut.
const MIN_MATCHED: f32 = 0.1;
/// Largest residual of a matched patch, as a share of its variance.
const MAX_RESIDUAL: f32 = 0.2;
/// Variance above which a patch counts as textured.
const MIN_VARIANCE: f32 = 20.0;
/// Number of textured patches below which no scene cut is reported.
const MIN_TEXTURED: usize = 16;

/// Estimates the flow from the first frame to the second and back, completed inside the holes, and
/// returns both with whether a scene cut lies between the frames.
///
/// `predictions` are the flows of the previous frames in the same two directions.
pub fn bidirectional(
    first: &Pyramid,
    second: &Pyramid,
    predictions: (Option<&StoredFlow>, Option<&StoredFlow>),
    effort: &Effort,
) -> (StoredFlow, StoredFlow, bool) {
    if first.equals(second) || first.is_unknown() || second.is_unknown() {
        // The search would find every patch where it was, without any residual, or none at all.
        return still(first);
    }
    if differ_by_noise(&first.0[0], &second.0[0]) {
        // The search would follow the noise, and along edges far.
        return still(first);
    }
    search(first, second, predictions, effort)
}

/// Returns the flows where nothing moves.
fn still(frame: &Pyramid) -> (StoredFlow, StoredFlow, bool) {
    let still = || StoredFlow::still(frame.0[0].width, frame.0[0].height);
    (still(), still(), false)
}

/// Does what [`bidirectional`] does by searching, whatever the frames are.
fn search(
    first: &Pyramid,
    second: &Pyramid,
    predictions: (Option<&StoredFlow>, Option<&StoredFlow>),
    effort: &Effort,
) -> (StoredFlow, StoredFlow, bool) {
    let (mut forward, mut backward) = rayon::join(
        || estimate(first, second, predictions.0, effort),
        || estimate(second, first, predictions.1, effort),
    );
    let textured = forward.textured + backward.textured;
    let matched = (forward.matched + backward.matched) as f32;
    let scene_cut = textured >= MIN_TEXTURED && matched < MIN_MATCHED * textured as f32;
    let weights = (
        consistent_weights(&forward, &backward),
        consistent_weights(&backward, &forward),
    );
    (forward.weight, backward.weight) = weights;
    rayon::join(|| forward.complete(), || backward.complete());
    let errors = (
        round_trip_errors(&forward, &backward.flow),
        round_trip_errors(&backward, &forward.flow),
    );
    (
        forward.into_stored(&errors.0),
        backward.into_stored(&errors.1),
        scene_cut,
    )
}

/// The flow estimated in one direction.
struct FlowEstimate {
    flow: FlowField,
    /// Confidence of each node from 0 (unknown, to be completed) to 1.
    weight: Vec<f32>,
    /// Nodes of the finest level in or near the hole.
    band: Vec<u32>,
    /// The next coarser level, which supplies the flow outside the band.
    coarse: Option<FlowField>,
    /// Whether the finest level was searched; if not, its flow is that of the next coarser level.
    searched: bool,
    /// Number of textured patches on the finest level that was matched everywhere.
    textured: usize,
    /// Number of those that were matched again.
    matched: usize,
}

impl FlowEstimate {
    /// Completes the flow where it is unreliable, including the hole.
    fn complete(&mut self) {
        if !self.searched {
            return;
        }
        completion::complete(
            &mut self.flow,
            &self.weight,
            &self.band,
            completion::Discontinuities::Preserved,
        );
    }

    /// Converts to the stored form, with the round-trip error of each node of the band.
    fn into_stored(self, round_trip_errors: &[f32]) -> StoredFlow {
        StoredFlow::new(&self.flow, &self.band, round_trip_errors, self.coarse)
    }
}

/// Computes the round-trip error, in pixels, of each node of the band.
fn round_trip_errors(forward: &FlowEstimate, backward: &FlowField) -> Vec<f32> {
    let error = |&i: &u32| {
        let (x, y) = node_position(i as usize, forward.flow.width);
        let [u, v] = forward.flow.vectors[i as usize];
        let [bu, bv] = backward.sample(x + u, y + v);
        (u + bu).abs() + (v + bv).abs()
    };
    forward.band.iter().map(error).collect()
}

/// Returns the weights of `forward`, reduced where the two directions are inconsistent.
fn consistent_weights(forward: &FlowEstimate, backward: &FlowEstimate) -> Vec<f32> {
    let width = forward.flow.width;
    let mut weight = forward.weight.clone();
    for &i in &forward.band {
        let i = i as usize;
        let (x, y) = node_position(i, width);
        let [u, v] = forward.flow.vectors[i];
        let (x, y) = (x + u, y + v);
        if backward.weight[nearest_node(&backward.flow, x, y)] == 0.0 {
            continue;
        }
        let [bu, bv] = backward.flow.sample(x, y);
        let error = (u + bu).powi(2) + (v + bv).powi(2);
        weight[i] /= 1.0 + error / (0.15 + 0.01 * (u * u + v * v));
    }
    weight
}

/// Estimates the flow from one frame to another. `predicted` is the flow of the previous frames.
fn estimate(
    from: &Pyramid,
    to: &Pyramid,
    predicted: Option<&StoredFlow>,
    effort: &Effort,
) -> FlowEstimate {
    let mut coarse: Option<FlowField> = None;
    let mut dense = (0, 0);
    for (depth, (a, b)) in from.0.iter().zip(&to.0).enumerate().rev() {
        let (width, height) = (a.width.div_ceil(CELL), a.height.div_ceil(CELL));
        let dense_level = width * height <= DENSE_LIMIT;
        let near = if dense_level {
            vec![true; width * height]
        } else {
            dilate(&hole_nodes(a, width, height), width, height, BAND)
        };
        let band: Vec<u32> = (0..(width * height) as u32)
            .filter(|&i| near[i as usize])
            .collect();
        let level = LevelPair {
            from: a,
            to: b,
            prediction: predicted
                .filter(|_| depth + PREDICTED_LEVELS >= from.0.len())
                .map(|flow| PredictedFlow { flow, depth }),
            coarsest: coarse.is_none(),
            steps: effort.flow_steps,
        };
        let searched = coarse.is_none() || (depth >= effort.finest_flow && !effort.flow_is_over());
        let mut flow = coarse.as_ref().map_or_else(
            || FlowField::zero(width, height),
            |flow| flow.upsampled(width, height),
        );
        let nodes = match searched {
            true => level.estimate(&flow, &band),
            false => Vec::new(),
        };
        let mut weight = vec![0.0; width * height];
        for (&i, node) in band.iter().zip(&nodes) {
            weight[i as usize] = node.weight;
            flow.vectors[i as usize] = node.flow;
        }
        if dense_level && searched {
            let comparable =
                |node: &&NodeEstimate| node.weight > 0.0 && node.texture > MIN_VARIANCE;
            let textured = || nodes.iter().filter(comparable);
            let matched =
                textured().filter(|node| node.matched.residual < MAX_RESIDUAL * node.texture);
            dense = (textured().count(), matched.count());
        }
        if depth == 0 {
            return FlowEstimate {
                flow,
                weight,
                band,
                coarse,
                searched,
                textured: dense.0,
                matched: dense.1,
            };
        }
        if searched {
            let smoothed = completion::Discontinuities::Smoothed;
            completion::complete(&mut flow, &weight, &band, smoothed);
        }
        coarse = Some(flow);
    }
    unreachable!("a pyramid has a finest level")
}

/// Returns upper bounds of the number of nodes of the finest level that are matched around a hole,
/// and that are stored.
pub fn node_counts(source_map: &SourceMap, (width, height): (usize, usize)) -> (u64, u64) {
    let (columns, rows) = (width.div_ceil(CELL), height.div_ceil(CELL));
    if columns * rows <= DENSE_LIMIT {
        let all = (columns * rows) as u64;
        return (all, all);
    }
    let spans = (0..rows).map(|row| {
        let lines = row * CELL..((row + 1) * CELL).min(height);
        let span = lines
            .map(|y| source_map.near_columns(y))
            .fold(0..0, |a, b| union(a, &b));
        span.start / CELL..span.end.div_ceil(CELL)
    });
    let spans: Vec<_> = spans.collect();
    let count_near = |by: usize| -> u64 {
        let spans = dilated(&spans, by, columns);
        spans.iter().map(|span| span.len() as u64).sum()
    };
    (count_near(BAND), count_near(BAND + STORED_MARGIN))
}

/// Returns the node whose cell contains a pixel position.
fn nearest_node(flow: &FlowField, x: f32, y: f32) -> usize {
    let at = |t: f32, nodes: usize| ((t.max(0.0) as usize) / CELL).min(nodes - 1);
    at(y, flow.height) * flow.width + at(x, flow.width)
}

/// Marks the nodes whose cells touch the hole.
fn hole_nodes(level: &PyramidLevel, width: usize, height: usize) -> Vec<bool> {
    let mut out = vec![false; width * height];
    for y in 0..level.height {
        let start = level.offset(0, y as isize);
        let row = &level.valid[start..start + level.width];
        // Searching whole rows is faster than testing cells one by one.
        if !row.contains(&0) {
            continue;
        }
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
    use crate::{Mask, effort::Tier, synthetic::Scene};

    fn full() -> Effort {
        Effort::new(Tier::Full, None)
    }

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

    /// Asserts that flows were searched, and no motion and no scene cut found.
    fn assert_searched_in_vain((forward, backward, scene_cut): &(StoredFlow, StoredFlow, bool)) {
        assert!(!forward.is_still() && !scene_cut);
        for (x, y) in (0..160 * 96).map(|i| ((i % 160) as f32, (i / 160) as f32)) {
            for flow in [forward, backward] {
                assert_eq!(flow.sample_with_error(x, y), [0.0; 3], "{x}, {y}");
            }
        }
    }

    #[test]
    fn a_still_picture_takes_no_search_which_would_find_no_motion() {
        let hole = hole();
        let pyramid = |logo: u8| {
            // The pixels inside the hole must not matter.
            let mut frame = scene((0.0, 0.0), 3).truth(0);
            let pixels = frame.rgb_mut().chunks_exact_mut(3).zip(hole.hole());
            let inside = pixels.filter(|(_, hole)| **hole == 1);
            inside.for_each(|(pixel, _)| pixel.fill(logo));
            Pyramid::new(&frame, SourceMap::new(&hole).as_ref())
        };
        let (first, second) = (pyramid(20), pyramid(240));
        let quick = bidirectional(&first, &second, (None, None), &full());
        assert!(quick.0.is_still() && quick.1.is_still() && !quick.2);
        // So does a flow that was predicted otherwise.
        let moving = Scene {
            pan: (3.0, 1.0),
            ..scene((3.0, 1.0), 3)
        };
        let other = Pyramid::new(&moving.truth(1), SourceMap::new(&hole).as_ref());
        let before = search(&other, &first, (None, None), &full());
        for predictions in [(None, None), (Some(&before.0), Some(&before.1))] {
            let searched = search(&first, &second, predictions, &full());
            assert_searched_in_vain(&searched);
        }
        // Nor is there motion to be found where one frame shows nothing.
        let mut all = hole.clone();
        all.add_rectangle(0, 0, 160, 96);
        let nothing = Pyramid::new(
            &scene((0.0, 0.0), 3).truth(0),
            SourceMap::new(&all).as_ref(),
        );
        for (first, second) in [(&nothing, &second), (&first, &nothing)] {
            let quick = bidirectional(first, second, (None, None), &full());
            assert!(quick.0.is_still() && quick.1.is_still() && !quick.2);
            let searched = search(first, second, (Some(&before.0), Some(&before.1)), &full());
            assert_searched_in_vain(&searched);
        }
        let (a, b) = (scene((0.2, 0.0), 3).truth(0), scene((0.2, 0.0), 3).truth(1));
        let [a, b] = [a, b].map(|frame| Pyramid::new(&frame, SourceMap::new(&hole).as_ref()));
        assert!(!bidirectional(&a, &b, (None, None), &full()).0.is_still());
    }

    #[test]
    fn a_pan_is_estimated_around_the_hole_and_completed_in_it() {
        let hole = hole();
        for pan in [(0.0, 0.0), (1.3, -0.6), (-7.5, 2.2), (17.0, 0.4)] {
            let scene = scene(pan, 3);
            let pyramid_of = |i: usize| {
                // The pixels inside the hole must not matter.
                let mut frame = scene.truth(i);
                let pixels = frame.rgb_mut().chunks_exact_mut(3).zip(hole.hole());
                pixels
                    .filter(|(_, hole)| **hole == 1)
                    .for_each(|(pixel, _)| pixel.copy_from_slice(&[255, 0, 0]));
                Pyramid::new(&frame, SourceMap::new(&hole).as_ref())
            };
            let (forward, backward, scene_cut) =
                bidirectional(&pyramid_of(0), &pyramid_of(1), (None, None), &full());
            assert!(!scene_cut, "pan {pan:?}");
            let mut sum = 0.0;
            for y in 6..15 {
                for x in 13..27 {
                    let (px, py) = node_position(y * 40 + x, 40);
                    let ([u, v], [bu, bv]) = (forward.sample(px, py), backward.sample(px, py));
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
    fn a_scene_cut_is_detected_and_a_uniform_frame_is_none() {
        let pyramid_of =
            |frame: &crate::Frame| Pyramid::new(frame, SourceMap::new(&hole()).as_ref());
        let (a, b) = (scene((1.0, 0.0), 3), scene((1.0, 0.0), 4));
        let scene_cut = |a: &Pyramid, b: &Pyramid| bidirectional(a, b, (None, None), &full()).2;
        assert!(scene_cut(
            &pyramid_of(&a.truth(0)),
            &pyramid_of(&b.truth(1))
        ));
        assert!(!scene_cut(
            &pyramid_of(&a.truth(0)),
            &pyramid_of(&a.truth(1))
        ));
        let plain = crate::Frame::new(160, 96, vec![90; 3 * 160 * 96]);
        assert!(!scene_cut(&pyramid_of(&plain), &pyramid_of(&plain)));
    }
}
