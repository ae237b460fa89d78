//! The extension of a picture beyond its edges, for what no frame shows: the picture mirrored at its
//! edge, and the more blurred the farther away. It depends on the frame alone, so it is as steady in
//! time as the picture is.

use std::ops::Range;

use rayon::prelude::*;

use crate::{Frame, Rect};

/// Distance from the edge in pixels at which the blur reaches the first half-size level. Each
/// further level is reached at twice the distance, about.
const SHARP: f32 = 24.0;
/// Number of half-size levels.
const LEVELS: usize = 5;

/// An RGB image at a fraction of the picture's size.
struct Level {
    width: usize,
    height: usize,
    rgb: Vec<[u8; 3]>,
}

impl Level {
    /// Returns the level at half the size; each pixel is the mean of up to four.
    fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mean = |x: usize, y: usize| {
            let (x1, y1) = (
                (2 * x + 1).min(self.width - 1),
                (2 * y + 1).min(self.height - 1),
            );
            let four = [(2 * x, 2 * y), (x1, 2 * y), (2 * x, y1), (x1, y1)];
            let four = four.map(|(x, y)| self.rgb[y * self.width + x].map(u16::from));
            std::array::from_fn(|c| ((four.iter().map(|rgb| rgb[c]).sum::<u16>() + 2) / 4) as u8)
        };
        let rgb = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Self {
            width,
            height,
            rgb: rgb.map(|(x, y)| mean(x, y)).collect(),
        }
    }

    /// Returns the colour at a position in pixels by a quadratic spline, which leaves no edges of
    /// pixels visible. Beyond the edges the image is mirrored.
    fn sample(&self, x: f32, y: f32) -> [f32; 3] {
        let (columns, across) = spline(x, self.width);
        let (rows, down) = spline(y, self.height);
        let mut sum = [0.0; 3];
        for (row, down) in rows.into_iter().zip(down) {
            for (column, across) in columns.into_iter().zip(across) {
                let pixel = self.rgb[row * self.width + column];
                (0..3).for_each(|c| sum[c] += down * across * f32::from(pixel[c]));
            }
        }
        sum
    }
}

/// Returns the three pixels nearest to a position on an axis, mirrored at its ends, and the weights
/// of the quadratic spline.
fn spline(t: f32, length: usize) -> ([usize; 3], [f32; 3]) {
    let nearest = (t + 0.5).floor();
    let from = t - nearest;
    let pixels = [-1, 0, 1].map(|step| mirrored(nearest as isize + step, length));
    let weights = [
        0.5 * (0.5 - from).powi(2),
        0.75 - from * from,
        0.5 * (0.5 + from).powi(2),
    ];
    (pixels, weights)
}

/// Returns the pixel that a position on an axis of this length shows, if the axis is mirrored at
/// both ends without end.
fn mirrored(at: isize, length: usize) -> usize {
    let folded = at.rem_euclid(2 * length as isize) as usize;
    folded.min(2 * length - 1 - folded)
}

/// A picture that can be sampled beyond its edges.
pub struct Extension<'a> {
    picture: &'a Rect,
    levels: Vec<Level>,
}

impl<'a> Extension<'a> {
    /// Creates the extension of the part `picture` of a frame.
    pub fn new(frame: &Frame, picture: &'a Rect) -> Self {
        let [height, width] = picture.size();
        let rgb = picture.cut(frame.rgb(), 3, frame.width());
        let mut levels = vec![Level {
            width,
            height,
            rgb: rgb.as_chunks().0.to_vec(),
        }];
        while let Some(last) = levels.last()
            && levels.len() <= LEVELS
        {
            levels.push(last.halved());
        }
        Self { picture, levels }
    }

    /// Returns the colour of a pixel of the frame outside the picture, mixed with the share
    /// `other_share` of `other`.
    pub fn mixed(&self, x: usize, y: usize, other: [u8; 3], other_share: f32) -> [u8; 3] {
        let own = self.colour(x, y);
        std::array::from_fn(|c| (own[c] + other_share * (f32::from(other[c]) - own[c]) + 0.5) as u8)
    }

    fn colour(&self, x: usize, y: usize) -> [f32; 3] {
        let Rect { rows, columns } = self.picture;
        let beyond = |at: usize, range: &Range<usize>| {
            range
                .start
                .saturating_sub(at)
                .max((at + 1).saturating_sub(range.end))
        };
        let distance = beyond(x, columns).max(beyond(y, rows)) as f32;
        let level = (1.0 + distance / SHARP).log2().min(LEVELS as f32);
        let (x, y) = (
            x as f32 - columns.start as f32,
            y as f32 - rows.start as f32,
        );
        let at = |level: usize| {
            let scale = (1 << level) as f32;
            let place = |t: f32| (t + 0.5) / scale - 0.5;
            match level {
                0 => {
                    let (x, y) = (x as isize, y as isize);
                    let finest = &self.levels[0];
                    let (x, y) = (mirrored(x, finest.width), mirrored(y, finest.height));
                    finest.rgb[y * finest.width + x].map(f32::from)
                }
                level => self.levels[level].sample(place(x), place(y)),
            }
        };
        let (below, share) = (level as usize, level.fract());
        let (fine, coarse) = (at(below), at((below + 1).min(LEVELS)));
        std::array::from_fn(|c| fine[c] + share * (coarse[c] - fine[c]))
    }
}

/// Fills everything outside the picture with its extension.
pub fn extend(frame: &mut Frame, picture: &Rect) {
    let extension = Extension::new(frame, picture);
    let width = frame.width();
    let rows = frame.rgb_mut().par_chunks_exact_mut(3 * width);
    rows.enumerate().for_each(|(y, row)| {
        for (x, pixel) in row.as_chunks_mut().0.iter_mut().enumerate() {
            if picture.index([y, x]).is_none() {
                *pixel = extension.mixed(x, y, *pixel, 0.0);
            }
        }
    });
}
