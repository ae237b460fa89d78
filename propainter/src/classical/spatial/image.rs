//! The image that a patch fill works on, at one of its sizes.

use crate::classical::fields::grid::dilate;

/// An image with unknown pixels: RGB padded with zero to four bytes.
pub struct FillImage {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Colours, row by row.
    pub pixels: Vec<[u8; 4]>,
    /// Whether each pixel is to be filled.
    pub unknown: Vec<bool>,
}

impl FillImage {
    /// Returns the pixels beside pixel `at`, of which there are up to four.
    pub fn beside(&self, at: usize) -> impl Iterator<Item = usize> {
        let (x, y) = (at % self.width, at / self.width);
        let (width, height) = (self.width, self.height);
        let four = [
            (x > 0).then(|| at - 1),
            (x + 1 < width).then_some(at + 1),
            (y > 0).then(|| at - width),
            (y + 1 < height).then_some(at + width),
        ];
        four.into_iter().flatten()
    }

    /// Returns the image with a hole that is wider by `by` pixels on every side.
    pub fn widened(&self, by: usize) -> Self {
        let (width, height) = (self.width, self.height);
        let unknown = dilate(&self.unknown, width, height, by);
        Self {
            width,
            height,
            pixels: self.pixels.clone(),
            unknown,
        }
    }

    /// Returns the city-block distance of each pixel to a known one.
    pub fn depths(&self) -> Vec<u32> {
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
        distance
    }

    /// Returns the pixels, with the unknown ones interpolated from the fill at half size.
    pub fn interpolated_from(&self, coarse: &[[u8; 4]], coarse_width: usize) -> Vec<[u8; 4]> {
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

    /// Returns the pixels, with the unknown ones from `filled`.
    pub fn with_unknown(&self, filled: &[[u8; 4]]) -> Vec<[u8; 4]> {
        let pairs = self.pixels.iter().zip(filled).zip(&self.unknown);
        let choose = |((known, filled), unknown): ((&[u8; 4], &[u8; 4]), &bool)| match unknown {
            true => *filled,
            false => *known,
        };
        pairs.map(choose).collect()
    }

    /// Returns the known pixels beside the hole, and how much more `filled` shows there than they do.
    pub fn border(&self, filled: &[[u8; 4]]) -> Vec<(usize, [f32; 3])> {
        let known = (0..self.pixels.len()).filter(|&at| !self.unknown[at]);
        let border = known.filter(|&at| self.beside(at).any(|beside| self.unknown[beside]));
        let more = |at: usize, c: usize| f32::from(filled[at][c]) - f32::from(self.pixels[at][c]);
        border
            .map(|at| (at, std::array::from_fn(|c| more(at, c))))
            .collect()
    }

    /// Returns the image at half size. A pixel is the mean of the known ones among four, and is
    /// unknown if fewer than two are known.
    pub fn downsampled(&self) -> Self {
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
