//! Exemplar-based fill of pixels without a source in any frame, coarse to fine by PatchMatch
//! (Barnes et al. 2009). Pull–push interpolation initialises it, and remains where no patch can be
//! copied.
//!
//! At first a wider hole is filled. The known pixels in it tell how far patches can be trusted
//! beside a smooth fill, and the two are joined accordingly.

use std::ops::Range;

use super::{
    detail::{self, Trust},
    image::FillImage,
    patch_match::{NearestNeighbourField, PatchMatch},
};
use crate::{Cancel, Error, Frame, Rect, classical::effort::Effort};

/// Depth of the hole in pixels at which the coarsest level is reached.
const COARSEST_DEPTH: u32 = 4;
/// Smallest and largest width in pixels of the surroundings that patches come from; in between, it
/// is the size of the area.
const SURROUNDINGS: (usize, usize) = (32, 192);
/// Width in pixels of the known rim that a trial fills, too.
const TRIAL: usize = 4;

/// Returns the start and length of an area with its surroundings, of at most `most` pixels on a side,
/// for columns and rows.
fn with_surroundings(
    area: &Rect,
    (width, height): (usize, usize),
    most: usize,
) -> [(usize, usize); 2] {
    let around = area
        .columns
        .len()
        .max(area.rows.len())
        .clamp(SURROUNDINGS.0, SURROUNDINGS.1)
        .min(most);
    let span = |range: &Range<usize>, limit: usize| {
        let first = range.start.saturating_sub(around);
        (first, (range.end + around).min(limit) - first)
    };
    [span(&area.columns, width), span(&area.rows, height)]
}

/// Returns the number of pixels of an area with its surroundings.
pub fn working_pixels(area: &Rect, size: (usize, usize)) -> usize {
    let [(_, width), (_, height)] = with_surroundings(area, size, usize::MAX);
    width * height
}

/// Fills the pixels of `unknown` that lie in `area`, and returns their indices and colours.
///
/// `unknown` is 1 for unknown pixels of the whole frame.
///
/// # Errors
///
/// Returns [`Error::Cancelled`] if `cancel` is set meanwhile.
pub fn fill(
    frame: &Frame,
    unknown: &[u8],
    area: &Rect,
    effort: &Effort,
    cancel: &Cancel,
) -> Result<Vec<(usize, [u8; 3])>, Error> {
    let [(x0, width), (y0, height)] = with_surroundings(
        area,
        (frame.width(), frame.height()),
        effort.patches.surroundings,
    );
    let pixel_index = |i: usize| (y0 + i / width) * frame.width() + x0 + i % width;
    let finest = FillImage {
        width,
        height,
        pixels: (0..width * height)
            .map(|i| {
                let rgb = &frame.rgb()[3 * pixel_index(i)..][..3];
                [rgb[0], rgb[1], rgb[2], 0]
            })
            .collect(),
        unknown: (0..width * height)
            .map(|i| unknown[pixel_index(i)] == 1)
            .collect(),
    };
    let filled = finest.fill_coarse_to_fine(effort, cancel)?;
    // The surroundings may contain other regions, which are filled separately.
    let own = |i: usize| {
        let (x, y) = (x0 + i % width, y0 + i / width);
        finest.unknown[i] && area.columns.contains(&x) && area.rows.contains(&y)
    };
    Ok((0..width * height)
        .filter(|&i| own(i))
        .map(|i| (pixel_index(i), [filled[i][0], filled[i][1], filled[i][2]]))
        .collect())
}

impl FillImage {
    /// Returns the pixels with the unknown ones filled.
    fn fill_coarse_to_fine(&self, effort: &Effort, cancel: &Cancel) -> Result<Vec<[u8; 4]>, Error> {
        let trial = self.widened(TRIAL);
        let (pixels, field) = trial.match_coarse_to_fine(effort, cancel)?;
        let trust = Trust::new(self, &trial, &pixels);
        drop(trial);
        let (mut pixels, border) = match field {
            Some(field) => {
                let mut patch_match = PatchMatch::new(self);
                patch_match.initialise_within(&pixels, field);
                for round in 0..effort.patches.last_rounds {
                    cancel.check()?;
                    if effort.patches_are_over() {
                        break;
                    }
                    patch_match.vote();
                    patch_match.search(round, effort);
                }
                patch_match.vote();
                let border = patch_match.border();
                (patch_match.pixels, border)
            }
            None => (self.with_unknown(&pixels), self.border(&pixels)),
        };
        if !self.unknown.iter().all(|&unknown| unknown) {
            detail::join(self, &trust, &border, &mut pixels);
        }
        Ok(pixels)
    }

    /// Returns the pixels with the unknown ones filled by patches, and where the patches are from
    /// if they were searched at full resolution.
    fn match_coarse_to_fine(
        &self,
        effort: &Effort,
        cancel: &Cancel,
    ) -> Result<(Vec<[u8; 4]>, Option<NearestNeighbourField>), Error> {
        let mut levels = vec![];
        let mut depth = self.depths().into_iter().max().unwrap_or(0);
        let mut last = self;
        while depth > COARSEST_DEPTH && last.width.min(last.height) >= 32 {
            levels.push(last.downsampled());
            last = &levels[levels.len() - 1];
            depth = depth.div_ceil(2);
        }
        // The coarsest level needs enough known patches to choose from.
        let rich = |level: &FillImage| PatchMatch::new(level).has_choice();
        let enough = levels.iter().rposition(rich).map(|last| last + 1);
        let enough = enough.or(rich(self).then_some(0));
        levels.truncate(enough.unwrap_or(levels.len()));
        let coarsest = levels.last().unwrap_or(self);
        let mut patch_match = PatchMatch::new(coarsest);
        patch_match.initialise();
        patch_match.peel(effort.patches.comparisons);
        patch_match.improve(effort.patches.first_rounds, effort, cancel)?;
        let (mut pixels, mut field) = (patch_match.pixels, Some(patch_match.field));
        let mut width = coarsest.width;
        let finer = levels.iter().rev().chain([self]).skip(1);
        for (coarser, level) in (0..levels.len()).rev().zip(finer) {
            let search = coarser >= effort.patches.finest && !effort.patches_are_over();
            if let Some(coarse) = field.take().filter(|_| search) {
                let mut patch_match = PatchMatch::new(level);
                patch_match.initialise_from(&pixels, &coarse);
                patch_match.improve(effort.patches.rounds, effort, cancel)?;
                (pixels, field) = (patch_match.pixels, Some(patch_match.field));
            } else {
                pixels = level.interpolated_from(&pixels, width);
            }
            width = level.width;
        }
        Ok((pixels, field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effort::Tier;

    fn effort(tier: Tier) -> Effort {
        Effort::new(tier, None)
    }

    /// Fills an area of a 64×56 image and returns the largest error.
    fn error(at: impl Fn(usize, usize) -> u8) -> u8 {
        let (width, height) = (64, 56);
        let colour = |i: usize| [at(i % width, i / width); 3];
        let rgb: Vec<u8> = (0..width * height).flat_map(colour).collect();
        let area = Rect::new([20..32, 24..44]);
        let mut unknown = vec![0; width * height];
        for y in area.rows.clone() {
            unknown[y * width..][area.columns.clone()].fill(1);
        }
        let mut seen = rgb.clone();
        for (pixel, _) in seen
            .chunks_exact_mut(3)
            .zip(&unknown)
            .filter(|(_, u)| **u == 1)
        {
            pixel.fill(255);
        }
        let frame = Frame::new(width, height, seen);
        let filled = fill(
            &frame,
            &unknown,
            &area,
            &effort(Tier::Full),
            &Cancel::default(),
        )
        .expect("not cancelled");
        assert_eq!(filled.len(), area.pixels());
        let errors = filled.iter().map(|(pixel_index, colour)| {
            assert_eq!(unknown[*pixel_index], 1);
            (0..3)
                .map(|c| colour[c].abs_diff(rgb[3 * pixel_index + c]))
                .max()
                .unwrap_or(0)
        });
        errors.max().unwrap_or(0)
    }

    #[test]
    fn a_uniform_image_stays_uniform() {
        assert!(error(|_, _| 77) <= 1);
    }

    #[test]
    fn a_ramp_continues() {
        let worst = error(|x, y| (40 + x + 2 * y) as u8);
        assert!(worst <= 8, "{worst}");
    }

    #[test]
    fn stripes_continue() {
        let worst = error(|x, _| if x / 4 % 2 == 0 { 60 } else { 180 });
        assert!(worst <= 30, "{worst}");
    }

    /// Fills a hole of 64×40 in an image of 176×128, and returns the root mean square of the error
    /// and the gradient energy divided by that of the truth.
    fn large(at: impl Fn(usize, usize) -> u8, effort: &Effort) -> (f32, f32) {
        let (width, height) = (176, 128);
        let truth: Vec<u8> = (0..width * height)
            .flat_map(|i| [at(i % width, i / width); 3])
            .collect();
        let area = Rect::new([40..80, 56..120]);
        let (mut seen, mut unknown) = (truth.clone(), vec![0; width * height]);
        for i in area
            .rows
            .clone()
            .flat_map(|y| (56..120).map(move |x| y * width + x))
        {
            unknown[i] = 1;
            seen[3 * i..3 * i + 3].copy_from_slice(&[255, 0, 0]);
        }
        let mut frame = Frame::new(width, height, seen);
        let filled = fill(&frame, &unknown, &area, effort, &Cancel::default());
        for (i, colour) in filled.expect("not cancelled") {
            frame.rgb_mut()[3 * i..3 * i + 3].copy_from_slice(&colour);
        }
        let (mut error, mut energies) = (0.0, [0.0; 2]);
        for i in (0..unknown.len()).filter(|&i| unknown[i] == 1) {
            let value = |rgb: &[u8], i: usize| f32::from(rgb[3 * i]);
            error += (value(frame.rgb(), i) - value(&truth, i)).powi(2);
            for (energy, rgb) in energies.iter_mut().zip([frame.rgb(), &truth[..]]) {
                *energy += (value(rgb, i + 1) - value(rgb, i)).powi(2);
            }
        }
        let root = (error / area.pixels() as f32).sqrt();
        println!("error {root:.2}, energy {:.3}", energies[0] / energies[1]);
        (root, energies[0] / energies[1])
    }

    /// Returns pseudo-random noise of ±`half`.
    fn noise(x: usize, y: usize, half: f32) -> f32 {
        let mut hash = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
        hash = (hash ^ hash >> 15).wrapping_mul(0x2C1B_3C6D);
        hash = (hash ^ hash >> 12).wrapping_mul(0x297A_2D39);
        ((hash >> 15) as f32 / 65536.0 - 1.0) * half
    }

    #[test]
    fn a_noisy_sky_stays_smooth() {
        let sky = |x: usize, y: usize| {
            let (dx, dy) = (x as f32 - 60.0, y as f32 - 150.0);
            (230.0 - (dx * dx + dy * dy) / 160.0 + noise(x, y, 4.0)).clamp(0.0, 255.0) as u8
        };
        for tier in Tier::ALL {
            let (error, _) = large(sky, &effort(tier));
            assert!(error < 5.0, "{error}");
        }
    }

    #[test]
    fn an_edge_goes_on_through_a_large_hole() {
        let edge = |x: usize, y: usize| {
            let side = (x as f32 - 70.0) * 0.8 - (y as f32 - 40.0) * 0.6;
            ((side + 0.5).clamp(0.0, 1.0) * 140.0 + 50.0 + noise(x, y, 3.0)) as u8
        };
        let (error, energy) = large(edge, &effort(Tier::Full));
        assert!(error < 6.0 && energy > 0.8, "{error}, {energy}");
    }

    #[test]
    fn texture_is_kept_and_does_not_drift() {
        let grass = |x: usize, y: usize| {
            let blades = noise(x, y / 5, 30.0) + noise(x / 2, y / 9, 30.0);
            (90.0 + 0.5 * y as f32 + blades).clamp(0.0, 255.0) as u8
        };
        let (error, energy) = large(grass, &effort(Tier::Full));
        assert!(error < 28.5 && energy > 0.3, "{error}, {energy}");
    }

    #[test]
    fn an_image_without_known_pixels_becomes_grey() {
        let frame = Frame::new(16, 8, vec![3; 3 * 16 * 8]);
        let area = Rect::whole([8, 16]);
        let filled = fill(
            &frame,
            &[1; 16 * 8],
            &area,
            &effort(Tier::Full),
            &Cancel::default(),
        )
        .expect("not cancelled");
        assert!(filled.len() == 128 && filled.iter().all(|(_, colour)| *colour == [128; 3]));
    }
}
