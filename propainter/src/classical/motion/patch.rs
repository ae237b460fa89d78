//! Matching of 8×8 patches by inverse search with mean-normalised differences over known pixels
//! (Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse Search").

use super::{
    patch_sums::{self, PatchSums},
    pyramid::PyramidLevel,
    template::{MIN_KNOWN, PATCH_SIDE, Template},
};

/// Extracts the template whose upper left pixel is (x, y), at most `MARGIN − 1` outside the frame.
pub fn extract(level: &PyramidLevel, x: isize, y: isize) -> Template {
    patch_sums::template(level, x, y)
}

/// Counts the known pixels of the patch whose upper left pixel is (x, y).
pub fn known(level: &PyramidLevel, x: isize, y: isize) -> u32 {
    let first = level.offset(x, y);
    let rows = (0..PATCH_SIDE).map(|row| &level.valid[first + row * level.stride..][..PATCH_SIDE]);
    rows.map(|row| row.iter().map(|&v| u32::from(v)).sum::<u32>())
        .sum()
}

/// The comparison of a template with a position in another frame.
#[derive(Clone, Copy, Default)]
pub struct Match {
    /// Left edge of the position.
    pub x: f32,
    pub y: f32,
    /// Number of pixels known on both sides. Below [`MIN_KNOWN`] the other values are meaningless.
    pub count: f32,
    /// Mean squared difference after subtracting the means.
    pub residual: f32,
    /// Mean of template minus target.
    pub offset: f32,
    /// Smaller eigenvalue of the structure tensor, over all pixels (Shi–Tomasi cornerness).
    pub corner: f32,
    sums: PatchSums,
}

/// A prior that pulls a search towards a position. `weight` is in units of squared luma.
#[derive(Clone, Copy)]
pub struct Prior {
    pub x: f32,
    pub y: f32,
    pub weight: f32,
}

/// Compares a template with a position, clamped to the level.
pub fn compare(template: &Template, target: &PyramidLevel, x: f32, y: f32) -> Match {
    let (x, y) = target.clamp(x, y);
    patch_sums::sums(template, target, x, y).to_match(x, y)
}

/// Improves a match by at most `steps` Gauss–Newton steps.
pub fn refine(
    template: &Template,
    target: &PyramidLevel,
    start: Match,
    prior: Prior,
    steps: usize,
) -> Match {
    let mut best = start;
    for _ in 0..steps {
        if best.count < MIN_KNOWN {
            break;
        }
        let (dx, dy) = best.sums.step(prior, best.x, best.y);
        if (dx, dy) == (0.0, 0.0) {
            // Nothing pulls; where nothing moves, not even the first step is compared.
            break;
        }
        let here = compare(template, target, best.x + dx, best.y + dy);
        // A patch that drifts too far is lost.
        let far = (here.x - start.x).abs().max((here.y - start.y).abs());
        if far > PATCH_SIDE as f32
            || here.count < MIN_KNOWN
            || here.residual > 1.05 * best.residual + 0.01
        {
            break;
        }
        best = here;
        if dx.abs().max(dy.abs()) < 0.03 {
            break;
        }
    }
    best
}

impl PatchSums {
    /// Returns the structure tensor (xx, xy, yy) of gradients with their means subtracted.
    fn matrix(&self) -> (f32, f32, f32) {
        let share = 1.0 / self.count;
        (
            self.xx - self.x * self.x * share,
            self.xy - self.x * self.y * share,
            self.yy - self.y * self.y * share,
        )
    }

    /// Evaluates the sums taken at a position.
    fn to_match(self, x: f32, y: f32) -> Match {
        if self.count < MIN_KNOWN {
            return Match {
                x,
                y,
                residual: f32::MAX,
                ..Match::default()
            };
        }
        let share = 1.0 / self.count;
        let (xx, xy, yy) = self.matrix();
        let half = 0.5 * (xx - yy);
        Match {
            x,
            y,
            count: self.count,
            residual: (self.dd - self.d * self.d * share).max(0.0) * share,
            offset: -self.d * share,
            corner: (0.5 * (xx + yy) - (half * half + xy * xy).sqrt()).max(0.0),
            sums: self,
        }
    }

    /// Returns the Gauss–Newton step from a position, at most three pixels on each axis.
    fn step(&self, prior: Prior, x: f32, y: f32) -> (f32, f32) {
        let share = 1.0 / self.count;
        let (xx, xy, yy) = self.matrix();
        // Adding one keeps the system solvable for flat patches.
        let (xx, yy) = (xx + prior.weight + 1.0, yy + prior.weight + 1.0);
        let bx = prior.weight * (prior.x - x) - (self.xd - self.x * self.d * share);
        let by = prior.weight * (prior.y - y) - (self.yd - self.y * self.d * share);
        let inverse = 1.0 / (xx * yy - xy * xy);
        let limit = |t: f32| t.clamp(-3.0, 3.0);
        (
            limit((yy * bx - xy * by) * inverse),
            limit((xx * by - xy * bx) * inverse),
        )
    }
}
