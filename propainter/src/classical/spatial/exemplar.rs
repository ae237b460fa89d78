//! Exemplar-based fill of pixels without a source in any frame, coarse to fine by PatchMatch
//! (Barnes et al. 2009). Pull–push interpolation initialises it, and remains where no patch can be
//! copied.

use std::ops::Range;

use super::patch_match::{FillImage, NearestNeighbourField, PatchMatch};
use crate::{Cancel, Error, Frame, Rect, classical::effort::Effort};

/// Depth of the hole in pixels at which the coarsest level is reached.
const COARSEST_DEPTH: u32 = 4;
/// Smallest and largest width in pixels of the surroundings that patches come from; in between, it
/// is half the size of the area.
const SURROUNDINGS: (usize, usize) = (32, 96);

/// Returns the start and length of an area with its surroundings, for columns and rows.
fn with_surroundings(area: &Rect, (width, height): (usize, usize)) -> [(usize, usize); 2] {
    let around =
        (area.columns.len().max(area.rows.len()) / 2).clamp(SURROUNDINGS.0, SURROUNDINGS.1);
    let span = |range: &Range<usize>, limit: usize| {
        let first = range.start.saturating_sub(around);
        (first, (range.end + around).min(limit) - first)
    };
    [span(&area.columns, width), span(&area.rows, height)]
}

/// Returns the number of pixels of an area with its surroundings.
pub fn working_pixels(area: &Rect, size: (usize, usize)) -> usize {
    let [(_, width), (_, height)] = with_surroundings(area, size);
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
    let [(x0, width), (y0, height)] = with_surroundings(area, (frame.width(), frame.height()));
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
        let mut levels = vec![];
        let mut depth = self.depth();
        let mut last = self;
        while depth > COARSEST_DEPTH && last.width.min(last.height) >= 32 {
            levels.push(last.downsampled());
            last = &levels[levels.len() - 1];
            depth = depth.div_ceil(2);
        }
        let mut coarse: Option<(Vec<[u8; 4]>, NearestNeighbourField)> = None;
        // Of the levels, the last ones may be interpolated.
        let searched = levels.len() + 1 - effort.finest_patches.min(levels.len());
        let mut left = levels.iter().rev().chain([self]).enumerate().peekable();
        while let Some((_, level)) =
            left.next_if(|(i, _)| *i == 0 || (*i < searched && !effort.patches_are_over()))
        {
            cancel.check()?;
            let mut patch_match = PatchMatch::new(level);
            match &coarse {
                None => patch_match.initialise(),
                Some((pixels, field)) => patch_match.initialise_from(pixels, field),
            }
            // Large levels get few rounds, because the coarse levels have settled the structure.
            let rounds = if patch_match.target_count() > 20_000 {
                1
            } else {
                3
            };
            for round in 0..rounds.min(effort.patch_rounds) {
                cancel.check()?;
                if effort.patches_are_over() {
                    break;
                }
                patch_match.search(round, || effort.patches_are_over());
                patch_match.vote();
            }
            if std::ptr::eq(level, self) {
                patch_match.match_boundary();
            }
            coarse = Some((patch_match.pixels, patch_match.field));
        }
        let mut width = coarse.as_ref().map_or(0, |(_, field)| field.width());
        let mut pixels = coarse.map_or_else(Vec::new, |(pixels, _)| pixels);
        for (_, level) in left {
            pixels = level.interpolated_from(&pixels, width);
            width = level.width;
        }
        Ok(pixels)
    }

    /// Returns the pixels, with the unknown ones interpolated from the fill at half size.
    fn interpolated_from(&self, coarse: &[[u8; 4]], coarse_width: usize) -> Vec<[u8; 4]> {
        let rows = coarse.len() / coarse_width.max(1);
        let mut out = self.pixels.clone();
        for (i, pixel) in out.iter_mut().enumerate().filter(|(i, _)| self.unknown[*i]) {
            let near = |t: usize, side: usize| {
                let beside = if t.is_multiple_of(2) {
                    (t / 2).saturating_sub(1)
                } else {
                    t / 2 + 1
                };
                [t / 2, beside.min(side - 1)]
            };
            let (x, y) = (
                near(i % self.width, coarse_width),
                near(i / self.width, rows),
            );
            let at = |x: usize, y: usize, c: usize| u32::from(coarse[y * coarse_width + x][c]);
            *pixel = std::array::from_fn(|c| {
                let row = |y: usize| 3 * at(x[0], y, c) + at(x[1], y, c);
                ((3 * row(y[0]) + row(y[1]) + 8) / 16) as u8
            });
        }
        out
    }

    /// Returns the largest city-block distance from an unknown pixel to a known one.
    fn depth(&self) -> u32 {
        let (w, h) = (self.width, self.height);
        let mut distance: Vec<u32> = self
            .unknown
            .iter()
            .map(|&unknown| if unknown { (w + h) as u32 } else { 0 })
            .collect();
        let lower = |distance: &mut [u32], i: usize, j: usize| {
            distance[i] = distance[i].min(distance[j] + 1);
        };
        for i in 0..w * h {
            if i % w > 0 {
                lower(&mut distance, i, i - 1);
            }
            if i >= w {
                lower(&mut distance, i, i - w);
            }
        }
        for i in (0..w * h).rev() {
            if i % w + 1 < w {
                lower(&mut distance, i, i + 1);
            }
            if i + w < w * h {
                lower(&mut distance, i, i + w);
            }
        }
        distance.into_iter().max().unwrap_or(0)
    }

    /// Returns the image at half size. A pixel is the mean of the known ones among four, and is
    /// unknown if fewer than two are known.
    fn downsampled(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut pixels = Vec::with_capacity(width * height);
        let mut unknown = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let (mut sum, mut count) = ([0u32; 4], 0);
                for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    let (x, y) = (2 * x + dx, 2 * y + dy);
                    if x < self.width && y < self.height && !self.unknown[y * self.width + x] {
                        let pixel = self.pixels[y * self.width + x];
                        sum.iter_mut()
                            .zip(pixel)
                            .for_each(|(s, p)| *s += u32::from(p));
                        count += 1;
                    }
                }
                pixels.push(sum.map(|s| ((s + count / 2) / count.max(1)) as u8));
                unknown.push(count < 2);
            }
        }
        Self {
            width,
            height,
            pixels,
            unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effort::Tier;

    fn fill_fully(
        frame: &Frame,
        unknown: &[u8],
        area: &Rect,
    ) -> Result<Vec<(usize, [u8; 3])>, Error> {
        fill(
            frame,
            unknown,
            area,
            &Effort::new(Tier::Full, None),
            &Cancel::default(),
        )
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
        let filled = fill_fully(&frame, &unknown, &area).expect("not cancelled");
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

    #[test]
    fn an_image_without_known_pixels_becomes_grey() {
        let frame = Frame::new(16, 8, vec![3; 3 * 16 * 8]);
        let area = Rect::whole([8, 16]);
        let filled = fill_fully(&frame, &[1; 16 * 8], &area).expect("not cancelled");
        assert!(filled.len() == 128 && filled.iter().all(|(_, colour)| *colour == [128; 3]));
    }
}
