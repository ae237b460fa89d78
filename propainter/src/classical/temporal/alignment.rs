//! Alignment of a region's surroundings with another frame. It measures, around the hole, the drift
//! of the concatenated flow and the difference in colour, and interpolates both into the hole.

use crate::{
    Frame,
    classical::{
        fields::pull_push,
        hole::region::Region,
        motion::{
            inverse_search::confidence,
            patch::{self, Prior},
            pyramid::PyramidLevel,
            template::{MIN_KNOWN, PATCH_SIDE, Template},
        },
        window::frame::WindowFrame,
    },
};

/// Largest correction in pixels that counts as drift.
const MAX_DRIFT: f32 = 2.5;

/// Boundaries of more nodes are sampled in a checkerboard pattern.
const DENSE_LIMIT: usize = 96;

/// Template patches around one region of a frame.
pub struct BoundaryPatches<'a> {
    region: &'a Region,
    frame: &'a Frame,
    level: PyramidLevel,
    patches: Vec<(u32, Template)>,
}

/// The result of an alignment, per node of the region.
pub struct Alignment {
    /// Correction of the displacement in pixels.
    pub shift: Vec<[f32; 2]>,
    /// Offset to add to colours taken from the other frame.
    pub colour_offset: Vec<[f32; 3]>,
    /// Mismatch of the surroundings, from 0 (perfect) to 1.
    pub mismatch: Vec<[f32; 1]>,
}

impl<'a> BoundaryPatches<'a> {
    /// Extracts the patches on the boundary of a region that have enough known pixels.
    pub fn new(region: &'a Region, window_frame: &'a WindowFrame) -> Self {
        let decimate = region.boundary.len() > DENSE_LIMIT;
        let checker = |node: usize| (node % region.width + node / region.width).is_multiple_of(2);
        let boundary = region.boundary.iter().copied();
        let boundary = boundary.filter(|&node| !decimate || checker(node as usize));
        let place = |node: u32| {
            let (x, y) = region.cell_origin(node);
            (x as isize - 2, y as isize - 2)
        };
        let corners = boundary.clone().map(place);
        let level = window_frame.level_around(corners.map(|(x, y)| (x as f32, y as f32)));
        let patches = boundary.filter_map(|node| {
            let (x, y) = place(node);
            let template = patch::extract(&level, x, y);
            (template.count >= MIN_KNOWN).then_some((node, template))
        });
        Self {
            region,
            frame: &window_frame.frame,
            patches: patches.collect(),
            level,
        }
    }

    /// Returns whether no surroundings are known.
    pub fn is_empty(&self) -> bool {
        self.patches.is_empty()
    }

    /// Returns the corner of a node's patch and the position that `displacement` maps it to.
    fn start(&self, node: u32, displacement: &[[f32; 2]]) -> ((isize, isize), (f32, f32)) {
        let (x, y) = self.region.cell_origin(node);
        let (x, y) = (x as isize - 2, y as isize - 2);
        let [u, v] = displacement[node as usize];
        ((x, y), (x as f32 + u, y as f32 + v))
    }

    /// Aligns with frame `target`, displaced by `displacement`. Returns `None` if nothing can be
    /// compared.
    pub fn align(&self, displacement: &[[f32; 2]], target: &WindowFrame) -> Option<Alignment> {
        let starts = self
            .patches
            .iter()
            .map(|(node, _)| self.start(*node, displacement).1);
        let level = &target.level_around(starts);
        let target = &target.frame;
        let (width, height) = (self.region.width, self.region.height);
        let mut values = vec![[0.0; 5]; width * height];
        let mut weights = vec![0.0; width * height];
        let mut mismatches = vec![[0.0]; width * height];
        let mut counts = vec![0.0; width * height];
        for (node, template) in &self.patches {
            let i = *node as usize;
            let ((x, y), start) = self.start(*node, displacement);
            let prior = Prior {
                x: start.0,
                y: start.1,
                weight: 15.0,
            };
            let here = patch::compare(template, level, start.0, start.1);
            let matched = patch::refine(template, level, here, prior, 3);
            if matched.count < MIN_KNOWN {
                continue;
            }
            let fit = matched.residual / (matched.residual + 0.5 * template.variance + 30.0);
            mismatches[i] = [fit];
            counts[i] = matched.count / (PATCH_SIDE * PATCH_SIDE) as f32;
            let shift = [matched.x - start.0, matched.y - start.1];
            let far = shift[0].abs().max(shift[1].abs());
            if far > MAX_DRIFT {
                mismatches[i] = [1.0];
                continue;
            }
            let colour = self.colour((x, y), target, level, &matched);
            values[i] = [shift[0], shift[1], colour[0], colour[1], colour[2]];
            weights[i] = confidence(template, &matched);
        }
        let values = pull_push::interpolate(width, height, &values, &weights)?;
        Some(Alignment {
            shift: values.iter().map(|v| [v[0], v[1]]).collect(),
            colour_offset: values.iter().map(|v| [v[2], v[3], v[4]]).collect(),
            mismatch: pull_push::interpolate(width, height, &mismatches, &counts)?,
        })
    }

    /// Computes the mean of this frame minus the target over a patch: luma from the match at
    /// subpixel precision, chroma from whole pixels.
    fn colour(
        &self,
        (x, y): (isize, isize),
        target: &Frame,
        level: &PyramidLevel,
        matched: &patch::Match,
    ) -> [f32; 3] {
        let (tx, ty) = (matched.x.round() as isize, matched.y.round() as isize);
        let (width, height) = (level.width as isize, level.height as isize);
        // Every other pixel is enough, because luma is corrected below.
        let inside = |at: isize, side: isize| (0..side).contains(&at);
        let mut sums = [0i32; 3];
        let mut count = 0;
        for row in (0..PATCH_SIDE as isize).step_by(2) {
            if !inside(y + row, height) || !inside(ty + row, height) {
                continue;
            }
            for column in (0..PATCH_SIDE as isize).step_by(2) {
                let (ax, bx) = (x + column, tx + column);
                if !inside(ax, width) || !inside(bx, width) {
                    continue;
                }
                let known = self.level.valid[self.level.offset(ax, y + row)];
                if known & level.valid[level.offset(bx, ty + row)] == 0 {
                    continue;
                }
                let at = |x: isize, y: isize| 3 * (y * width + x) as usize;
                let (a, b) = (at(ax, y + row), at(bx, ty + row));
                let (a, b) = (&self.frame.rgb()[a..a + 3], &target.rgb()[b..b + 3]);
                for c in 0..3 {
                    sums[c] += i32::from(a[c]) - i32::from(b[c]);
                }
                count += 1;
            }
        }
        let mean = sums.map(|sum| sum as f32 / count.max(1) as f32);
        let luma = 0.301 * mean[0] + 0.586 * mean[1] + 0.113 * mean[2];
        mean.map(|c| c - luma + matched.offset)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        Mask,
        classical::hole::{region, source_map::SourceMap},
        synthetic::Scene,
    };

    #[test]
    fn drift_and_exposure_are_measured_around_the_hole() {
        let scene = Scene {
            pan: (5.0, -3.0),
            parallax: 0.0,
            ..Scene::new(96, 64, 2)
        };
        let mut hole = Mask::empty(96, 64);
        hole.add_rectangle(40, 24, 20, 12);
        let (here, mut target) = (scene.truth(0), scene.truth(1));
        for byte in target.rgb_mut() {
            *byte = byte.saturating_add(11);
        }
        let source_map = SourceMap::new(&hole).map(Arc::new);
        let [here, target] =
            [here, target].map(|frame| WindowFrame::new(frame, source_map.clone()));
        let regions = region::split(&hole);
        let boundary = BoundaryPatches::new(&regions[0], &here);
        // The displacement has drifted by a pixel on each axis.
        let displacement = vec![[4.0, -2.0]; regions[0].width * regions[0].height];
        let matched = boundary
            .align(&displacement, &target)
            .expect("texture all round");
        for &cell in &regions[0].cells {
            let i = cell as usize;
            let ([u, v], mismatch) = (matched.shift[i], matched.mismatch[i][0]);
            assert!((u - 1.0).abs() < 0.15 && (v + 1.0).abs() < 0.15, "{u}, {v}");
            let colour = matched.colour_offset[i];
            assert!(colour.iter().all(|c| (c + 11.0).abs() < 1.5), "{colour:?}");
            assert!(mismatch < 0.1, "{mismatch}");
        }
    }
}
