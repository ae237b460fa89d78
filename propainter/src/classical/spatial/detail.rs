//! Joins two fills of a hole: a smooth one (a membrane), which errs least where nothing can be
//! foretold, and a patch fill, which is sharp. The patch fill gives the detail, and its large shapes
//! as well as far as it is trusted. A trial tells how far: the patch fill of a wider hole, against
//! the pixels that are known there.

use super::image::FillImage;
use crate::classical::fields::{membrane, pull_push};

/// Side in pixels of a block in which the trial is judged.
const BLOCK: usize = 8;
/// Weight of the screening where the patch fill is not trusted: shapes beyond about five pixels
/// are then those of the smooth fill.
const SCREENING: f32 = 0.05;
/// Share of the detail that is kept where the patch fill is not trusted.
const LEAST_DETAIL: f32 = 0.6;
/// Trial results that mean no trust and full trust: how much of the patch fill's difference from the
/// smooth fill the true pixels share.
const TRUSTED: (f32, f32) = (0.2, 0.7);
/// Variance of differences that is no more than noise.
const NOISE: f32 = 30.0;
/// Number of relaxation sweeps.
const SWEEPS: usize = 16;
/// Factor of successive over-relaxation, which speeds up convergence.
const OVER_RELAXATION: f32 = 1.5;

/// A colour, or a difference of two.
type Colour = [f32; 3];

/// Returns the smooth fill of an image: the membrane between the known pixels beside the hole.
pub fn smooth_fill(image: &FillImage) -> Vec<Colour> {
    let mut colours = vec![[0.0; 3]; image.pixels.len()];
    let mut fixed = vec![0; image.pixels.len()];
    let mut free = Vec::new();
    for at in 0..image.pixels.len() {
        if image.unknown[at] {
            free.push(at as u32);
            for beside in image.beside(at).filter(|&beside| !image.unknown[beside]) {
                let pixel = image.pixels[beside];
                colours[beside] = std::array::from_fn(|c| f32::from(pixel[c]));
                fixed[beside] = 1;
            }
        }
    }
    membrane::interpolate((image.width, image.height), &mut colours, &fixed, &free);
    colours
}

/// How far a patch fill is trusted, from 0 to 1, in blocks of the image.
pub struct Trust {
    width: usize,
    blocks: Vec<[f32; 2]>,
}

impl Trust {
    /// Judges the patch fill `filled` of the image `trial` by the image `truth`, whose hole is
    /// narrower.
    pub fn new(truth: &FillImage, trial: &FillImage, filled: &[[u8; 4]]) -> Self {
        let smooth = smooth_fill(trial);
        let (width, height) = (truth.width.div_ceil(BLOCK), truth.height.div_ceil(BLOCK));
        let mut sums = vec![[0.0f32; 2]; width * height];
        let mut weights = vec![0.0; width * height];
        for at in (0..filled.len()).filter(|&at| trial.unknown[at] && !truth.unknown[at]) {
            let block = at / truth.width / BLOCK * width + at % truth.width / BLOCK;
            for (c, smooth) in smooth[at].into_iter().enumerate() {
                let detail = f32::from(filled[at][c]) - smooth;
                sums[block][0] += detail * (f32::from(truth.pixels[at][c]) - smooth);
                sums[block][1] += detail * detail;
            }
            weights[block] += 3.0;
        }
        for (sum, weight) in sums.iter_mut().zip(&mut weights) {
            *sum = sum.map(|s| s / f32::max(*weight, 1.0));
            *weight = (*weight / (BLOCK * BLOCK) as f32).min(1.0);
        }
        let blocks = pull_push::interpolate(width, height, &sums, &weights);
        let mut blocks = blocks.unwrap_or_else(|| vec![[0.0; 2]; width * height]);
        // A block alone holds few pixels to judge by.
        for _ in 0..2 {
            blocks = blurred(&blocks, width);
        }
        Self { width, blocks }
    }

    /// Returns the trust at a pixel.
    fn at(&self, x: usize, y: usize) -> f32 {
        let height = self.blocks.len() / self.width;
        let axis = |t: usize, length: usize| {
            let t = ((t as f32 + 0.5) / BLOCK as f32 - 0.5).clamp(0.0, (length - 1) as f32);
            let first = (t as usize).min(length.saturating_sub(2));
            (first, (first + 1).min(length - 1), t - first as f32)
        };
        let ((x0, x1, right), (y0, y1, down)) = (axis(x, self.width), axis(y, height));
        let row = |y: usize, i: usize| {
            let (a, b) = (
                self.blocks[y * self.width + x0][i],
                self.blocks[y * self.width + x1][i],
            );
            a + right * (b - a)
        };
        let [shared, all] = [0, 1].map(|i| row(y0, i) + down * (row(y1, i) - row(y0, i)));
        let share = (shared / (all + NOISE) - TRUSTED.0) / (TRUSTED.1 - TRUSTED.0);
        share.clamp(0.0, 1.0)
    }
}

/// Returns the blocks, each the mean of it and its neighbours.
fn blurred(blocks: &[[f32; 2]], width: usize) -> Vec<[f32; 2]> {
    let height = blocks.len() / width;
    let mean = |at: usize| {
        let (x, y) = (at % width, at / width);
        let (mut sum, mut count) = ([0.0; 2], 0.0);
        for y in y.saturating_sub(1)..(y + 2).min(height) {
            for x in x.saturating_sub(1)..(x + 2).min(width) {
                (0..2).for_each(|i| sum[i] += blocks[y * width + x][i]);
                count += 1.0;
            }
        }
        sum.map(|s| s / count)
    };
    (0..blocks.len()).map(mean).collect()
}

/// Replaces the patch fill in `pixels` by the joined fill. `border` holds, for known pixels beside
/// the hole, how much more the patch fill shows there than the pixel.
pub fn join(image: &FillImage, trust: &Trust, border: &[(usize, Colour)], pixels: &mut [[u8; 4]]) {
    let smooth = smooth_fill(image);
    // The part of the patch fill that is taken away: what it differs by at the border, and, as far as
    // it is not trusted, all that differs from the smooth fill at large scale.
    let mut excess = vec![[0.0; 3]; pixels.len()];
    let mut fixed = vec![0; pixels.len()];
    for &(at, difference) in border {
        (excess[at], fixed[at]) = (difference, 1);
    }
    let free: Vec<u32> = (0..pixels.len() as u32)
        .filter(|&at| image.unknown[at as usize])
        .collect();
    membrane::interpolate((image.width, image.height), &mut excess, &fixed, &free);
    let trusts: Vec<f32> = free
        .iter()
        .map(|&at| trust.at(at as usize % image.width, at as usize / image.width))
        .collect();
    for sweep in 0..SWEEPS {
        let relax = |(&at, &trust): (&u32, &f32)| {
            let at = at as usize;
            let mut count = SCREENING * (1.0 - trust) * (1.0 - trust);
            let mut sum: Colour =
                std::array::from_fn(|c| count * (f32::from(pixels[at][c]) - smooth[at][c]));
            for beside in image
                .beside(at)
                .filter(|&i| image.unknown[i] || fixed[i] == 1)
            {
                (0..3).for_each(|c| sum[c] += excess[beside][c]);
                count += 1.0;
            }
            if count > 0.0 {
                let from = excess[at];
                let step = |c| from[c] + OVER_RELAXATION * (sum[c] / count - from[c]);
                excess[at] = std::array::from_fn(step);
            }
        };
        if sweep % 2 == 0 {
            free.iter().zip(&trusts).for_each(relax);
        } else {
            free.iter().zip(&trusts).rev().for_each(relax);
        }
    }
    for (&at, trust) in free.iter().zip(trusts) {
        let at = at as usize;
        let share = LEAST_DETAIL + (1.0 - LEAST_DETAIL) * trust;
        for c in 0..3 {
            let detail = f32::from(pixels[at][c]) - excess[at][c] - smooth[at][c];
            pixels[at][c] = (smooth[at][c] + share * detail + 0.5).clamp(0.0, 255.0) as u8;
        }
    }
}
