//! How the surroundings of a hole sit in another frame: corrects the drift of a chain of flows
//! and says how colours differ, both measured around the hole and spread into it.

use crate::{
    Frame,
    classical::{
        fields::pull_push::spread,
        hole::region::Region,
        motion::{
            inverse_search::trust,
            patch::{self, Prior},
            pyramid::Level,
            template::{LEAST, SIDE, Template},
        },
        window::frame::Held,
    },
};

/// Corrections beyond this many pixels are no drift.
const DRIFT: f32 = 2.5;

/// Rings of more nodes are looked at by every other one.
const ENOUGH: usize = 96;

/// Patches around one region of a frame.
pub struct Ring<'a> {
    region: &'a Region,
    frame: &'a Frame,
    level: Level,
    patches: Vec<(u32, Template)>,
}

/// Per node of the region.
pub struct Aligned {
    /// Pixels to add to the chain's displacement.
    pub shift: Vec<[f32; 2]>,
    /// What to add to colours taken from there.
    pub colour: Vec<[f32; 3]>,
    /// How badly the surroundings fit, 0 to 1.
    pub doubt: Vec<[f32; 1]>,
}

impl<'a> Ring<'a> {
    pub fn new(region: &'a Region, held: &'a Held) -> Self {
        let thin = region.ring.len() > ENOUGH;
        let checker = |node: usize| (node % region.width + node / region.width).is_multiple_of(2);
        let ring = region.ring.iter().copied();
        let ring = ring.filter(|&node| !thin || checker(node as usize));
        let place = |node: u32| {
            let (x, y) = region.corner(node);
            (x as isize - 2, y as isize - 2)
        };
        let corners = ring.clone().map(place);
        let level = held.level_around(corners.map(|(x, y)| (x as f32, y as f32)));
        let patches = ring.filter_map(|node| {
            let (x, y) = place(node);
            let template = patch::extract(&level, x, y);
            (template.count >= LEAST).then_some((node, template))
        });
        Self {
            region,
            frame: &held.frame,
            patches: patches.collect(),
            level,
        }
    }

    /// Whether there is no known picture around at all.
    pub fn is_empty(&self) -> bool {
        self.patches.is_empty()
    }

    /// Where a patch begins, and where `map` takes it.
    fn start(&self, node: u32, map: &[[f32; 2]]) -> ((isize, isize), (f32, f32)) {
        let (x, y) = self.region.corner(node);
        let (x, y) = (x as isize - 2, y as isize - 2);
        let [u, v] = map[node as usize];
        ((x, y), (x as f32 + u, y as f32 + v))
    }

    /// Compares with frame `there` displaced by `map`; `None` where nothing can be compared.
    pub fn align(&self, map: &[[f32; 2]], there: &Held) -> Option<Aligned> {
        let starts = self
            .patches
            .iter()
            .map(|(node, _)| self.start(*node, map).1);
        let level = &there.level_around(starts);
        let there = &there.frame;
        let (width, height) = (self.region.width, self.region.height);
        let mut values = vec![[0.0; 5]; width * height];
        let mut weights = vec![0.0; width * height];
        let mut doubts = vec![[0.0]; width * height];
        let mut counts = vec![0.0; width * height];
        for (node, template) in &self.patches {
            let i = *node as usize;
            let ((x, y), start) = self.start(*node, map);
            let prior = Prior {
                x: start.0,
                y: start.1,
                weight: 15.0,
            };
            let here = patch::compare(template, level, start.0, start.1);
            let found = patch::search(template, level, here, prior, 3);
            if found.count < LEAST {
                continue;
            }
            let fit = found.residual / (found.residual + 0.5 * template.variance + 30.0);
            doubts[i] = [fit];
            counts[i] = found.count / (SIDE * SIDE) as f32;
            let shift = [found.x - start.0, found.y - start.1];
            let far = shift[0].abs().max(shift[1].abs());
            if far > DRIFT {
                doubts[i] = [1.0];
                continue;
            }
            let colour = self.colour((x, y), there, level, &found);
            values[i] = [shift[0], shift[1], colour[0], colour[1], colour[2]];
            weights[i] = trust(template, &found);
        }
        let values = spread(width, height, &values, &weights)?;
        Some(Aligned {
            shift: values.iter().map(|v| [v[0], v[1]]).collect(),
            colour: values.iter().map(|v| [v[2], v[3], v[4]]).collect(),
            doubt: spread(width, height, &doubts, &counts)?,
        })
    }

    /// Mean of here − there over a patch: luma as the search found it between pixels,
    /// chroma from whole pixels.
    fn colour(
        &self,
        (x, y): (isize, isize),
        there: &Frame,
        level: &Level,
        found: &patch::Match,
    ) -> [f32; 3] {
        let (tx, ty) = (found.x.round() as isize, found.y.round() as isize);
        let (width, height) = (level.width as isize, level.height as isize);
        // Every other pixel: what luma this leaves out is put right below.
        let inside = |at: isize, side: isize| (0..side).contains(&at);
        let mut sums = [0i32; 3];
        let mut count = 0;
        for row in (0..SIDE as isize).step_by(2) {
            if !inside(y + row, height) || !inside(ty + row, height) {
                continue;
            }
            for column in (0..SIDE as isize).step_by(2) {
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
                let (a, b) = (&self.frame.rgb()[a..a + 3], &there.rgb()[b..b + 3]);
                for c in 0..3 {
                    sums[c] += i32::from(a[c]) - i32::from(b[c]);
                }
                count += 1;
            }
        }
        let mean = sums.map(|sum| sum as f32 / count.max(1) as f32);
        let luma = 0.301 * mean[0] + 0.586 * mean[1] + 0.113 * mean[2];
        mean.map(|c| c - luma + found.offset)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        Mask,
        classical::hole::{region, source_map::Usable},
        synthetic::Scene,
    };

    #[test]
    fn drift_and_exposure_are_found_around_the_hole() {
        let scene = Scene {
            pan: (5.0, -3.0),
            parallax: 0.0,
            ..Scene::new(96, 64, 2)
        };
        let mut hole = Mask::empty(96, 64);
        hole.add_rectangle(40, 24, 20, 12);
        let (here, mut there) = (scene.truth(0), scene.truth(1));
        for byte in there.rgb_mut() {
            *byte = byte.saturating_add(11);
        }
        let usable = Usable::new(&hole).map(Arc::new);
        let [here, there] = [here, there].map(|frame| Held::new(frame, usable.clone()));
        let regions = region::split(&hole);
        let ring = Ring::new(&regions[0], &here);
        // A chain that has drifted by a pixel each way.
        let map = vec![[4.0, -2.0]; regions[0].width * regions[0].height];
        let found = ring.align(&map, &there).expect("texture all round");
        for &cell in &regions[0].cells {
            let i = cell as usize;
            let ([u, v], doubt) = (found.shift[i], found.doubt[i][0]);
            assert!((u - 1.0).abs() < 0.15 && (v + 1.0).abs() < 0.15, "{u}, {v}");
            let colour = found.colour[i];
            assert!(colour.iter().all(|c| (c + 11.0).abs() < 1.5), "{colour:?}");
            assert!(doubt < 0.1, "{doubt}");
        }
    }
}
