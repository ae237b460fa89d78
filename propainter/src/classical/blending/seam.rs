//! Removes the seams between the sources of a fill, and between fill and surroundings.
//!
//! At a seam, each source is sampled one pixel across it. The differences form the divergence of a
//! screened Poisson equation, whose solution is added to the colours.

use rayon::prelude::*;

use super::resample;
use crate::classical::{
    fields::{
        grid::{CELL, dilate},
        membrane,
    },
    hole::region::Region,
    temporal::source::{CELL_PIXELS, FillContext, SourcePixel},
};

/// Largest difference, in levels of 255, that is treated as a seam. Larger ones are edges of the
/// scene.
const MAX_DIFFERENCE: f32 = 60.0;
/// Largest difference, in levels of 255, that is invisible.
const VISIBLE: f32 = 2.0;
/// Weight of the screening term, which limits the reach of a correction to about ten pixels.
const SCREENING: f32 = 0.01;
/// Distance in nodes from a seam within which colours are corrected.
const CORRECTION_RADIUS: usize = 5;
/// Number of relaxation sweeps.
const SWEEPS: usize = 10;
/// Factor of successive over-relaxation, which speeds up convergence.
const OVER_RELAXATION: f32 = 1.5;

/// Index and label of a pixel outside the hole.
const KNOWN: u32 = u32::MAX;
/// Index and label of a pixel inside the hole without a source.
const UNFILLED: u32 = u32::MAX - 1;

/// Bit of a label that marks an earlier fill as the source.
const INHERITED: u32 = 1;
/// Steps to the four neighbours.
const NEIGHBOURS: [(isize, isize); 4] = [(-1, 0), (1, 0), (0, -1), (0, 1)];

/// Returns the label of a source: its frame, and whether it is inherited.
fn label_of(source: &SourcePixel) -> u32 {
    let kind = if source.is_inherited() { INHERITED } else { 0 };
    2 * source.frame as u32 + kind
}

/// Returns whether a label is that of a source of this kind, [`INHERITED`] or 0.
fn is_of_kind(label: u32, kind: u32) -> bool {
    label < UNFILLED && label & INHERITED == kind
}

/// The fill of a region, in pixels of its rectangle.
pub struct SeamBlender<'a> {
    context: &'a FillContext<'a>,
    region: &'a Region,
    width: usize,
    height: usize,
    sources: &'a [[SourcePixel; CELL_PIXELS]],
    /// Source of each pixel (cell and pixel within it), or [`KNOWN`] or [`UNFILLED`].
    index: Vec<u32>,
    /// Label of each pixel: the frame of its source and whether it is inherited, or as in `index`.
    label: Vec<u32>,
    /// Correction added to each pixel so far.
    correction: Vec<[f32; 3]>,
    /// Colours by cell and pixel, in the order of `sources`.
    pub values: Vec<[[f32; 3]; CELL_PIXELS]>,
}

impl<'a> SeamBlender<'a> {
    /// Prepares the blending of a region. `values` holds the sampled colour of each source.
    pub fn new(
        context: &'a FillContext<'a>,
        region: &'a Region,
        sources: &'a [[SourcePixel; CELL_PIXELS]],
        values: Vec<[[f32; 3]; CELL_PIXELS]>,
    ) -> Self {
        let (width, height) = (region.width * CELL, region.height * CELL);
        let mut index = Vec::with_capacity(width * height);
        for y in 0..height {
            let first = (region.y * CELL + y) * context.hole.width() + region.x * CELL;
            let hole = &context.hole.hole()[first..first + width];
            index.extend(hole.iter().map(|&h| if h == 0 { KNOWN } else { UNFILLED }));
        }
        let mut label = index.clone();
        for (slot, (&cell, sources)) in region.cells.iter().zip(sources).enumerate() {
            let (x, y) = (cell as usize % region.width, cell as usize / region.width);
            for (p, source) in sources.iter().enumerate() {
                if source.cost.is_finite() {
                    let at = (y * CELL + p / CELL) * width + x * CELL + p % CELL;
                    index[at] = (slot * CELL_PIXELS + p) as u32;
                    label[at] = label_of(source);
                }
            }
        }
        Self {
            context,
            region,
            width,
            height,
            sources,
            correction: vec![[0.0; 3]; index.len()],
            label,
            index,
            values,
        }
    }

    /// Blends the pixels that other frames show, then the inherited ones.
    pub fn blend(&mut self) {
        self.blend_sources(0);
        if self.match_inherited() {
            self.blend_sources(INHERITED);
        }
    }

    /// Returns the current colour of a filled pixel.
    fn colour(&self, at: usize) -> [f32; 3] {
        let i = self.index[at] as usize;
        self.values[i / CELL_PIXELS][i % CELL_PIXELS]
    }

    /// Adds a correction to a filled pixel.
    fn add_correction(&mut self, at: usize, by: [f32; 3]) {
        let i = self.index[at] as usize;
        let value = &mut self.values[i / CELL_PIXELS][i % CELL_PIXELS];
        for c in 0..3 {
            value[c] += by[c];
            self.correction[at][c] += by[c];
        }
    }

    /// Returns the colour of a pixel outside the hole.
    fn known_colour(&self, at: usize) -> [f32; 3] {
        let (x, y) = (at % self.width, at / self.width);
        let at = (self.region.y * CELL + y) * self.context.hole.width() + self.region.x * CELL + x;
        let rgb = &self.context.current_frame().frame.rgb()[3 * at..3 * at + 3];
        [rgb[0], rgb[1], rgb[2]].map(f32::from)
    }

    /// Samples a pixel's source one step away from it. Returns `None` if the source frame does not
    /// show that position.
    fn extrapolate(&self, at: usize, (dx, dy): (isize, isize)) -> Option<[f32; 3]> {
        let i = self.index[at] as usize;
        let source = &self.sources[i / CELL_PIXELS][i % CELL_PIXELS];
        let there = &self.context.frames[source.frame];
        let (x, y) = (source.x + dx as f32, source.y + dy as f32);
        (source.is_inherited() || there.is_source(x, y)).then(|| {
            let colour = resample::cubic(&there.frame, x, y);
            std::array::from_fn(|c| colour[c] + source.colour[c] + self.correction[at][c])
        })
    }

    /// Returns the index of the neighbour of (x, y) in a direction, within the rectangle.
    fn neighbour(&self, x: usize, y: usize, (dx, dy): (isize, isize)) -> Option<usize> {
        let (x, y) = (x.wrapping_add_signed(dx), y.wrapping_add_signed(dy));
        (x < self.width && y < self.height).then(|| y * self.width + x)
    }

    /// Blends the pixels of one kind of source, [`INHERITED`] or 0, with each other and with the
    /// surroundings.
    fn blend_sources(&mut self, kind: u32) {
        let (width, height) = (self.width, self.height);
        // Per pixel, the sum of differences to its neighbours across seams.
        let mut divergence = vec![[0.0f32; 3]; width * height];
        let rows: Vec<Vec<usize>> = divergence
            .par_chunks_exact_mut(width)
            .with_min_len(16)
            .enumerate()
            .map(|(y, row)| self.diverge(kind, y, row))
            .collect();
        if rows.iter().all(Vec::is_empty) {
            return;
        }
        let mut seams = vec![false; self.region.width * self.region.height];
        for (y, columns) in rows.into_iter().enumerate() {
            for x in columns {
                seams[y / CELL * self.region.width + x / CELL] = true;
            }
        }
        let near = dilate(
            &seams,
            self.region.width,
            self.region.height,
            CORRECTION_RADIUS,
        );
        let mut correction = vec![[0.0f32; 3]; divergence.len()];
        let free: Vec<u32> = (0..divergence.len())
            .filter(|&at| {
                is_of_kind(self.label[at], kind)
                    && near[at / width / CELL * self.region.width + at % width / CELL]
            })
            .map(|at| at as u32)
            .collect();
        for sweep in 0..SWEEPS {
            let relax = |&at: &u32| {
                let at = at as usize;
                let (x, y) = (at % self.width, at / self.width);
                let (mut sum, mut count) = (divergence[at], SCREENING);
                for neighbour in NEIGHBOURS
                    .iter()
                    .filter_map(|&step| self.neighbour(x, y, step))
                {
                    if self.label[neighbour] != UNFILLED {
                        (0..3).for_each(|c| sum[c] += correction[neighbour][c]);
                        count += 1.0;
                    }
                }
                let from = correction[at];
                correction[at] =
                    std::array::from_fn(|c| from[c] + OVER_RELAXATION * (sum[c] / count - from[c]));
            };
            if sweep % 2 == 0 {
                free.iter().for_each(relax);
            } else {
                free.iter().rev().for_each(relax);
            }
        }
        for at in free {
            self.add_correction(at as usize, correction[at as usize]);
        }
    }

    /// Sums up the differences across seams for each pixel of row `y`, and returns the columns in
    /// which a seam is visible.
    fn diverge(&self, kind: u32, y: usize, row: &mut [[f32; 3]]) -> Vec<usize> {
        let mut visible = Vec::new();
        for (x, divergence) in row.iter_mut().enumerate() {
            let at = y * self.width + x;
            let label = self.label[at];
            if !is_of_kind(label, kind) {
                continue;
            }
            for step in NEIGHBOURS {
                let Some(neighbour) = self.neighbour(x, y, step) else {
                    continue;
                };
                let other = self.label[neighbour];
                if other == label || !(other == KNOWN || is_of_kind(other, kind)) {
                    continue;
                }
                let Some(difference) = self.mismatch(at, neighbour, step) else {
                    continue;
                };
                for (sum, d) in divergence.iter_mut().zip(difference) {
                    *sum += d.clamp(-MAX_DIFFERENCE, MAX_DIFFERENCE);
                }
                let seen = difference.iter().any(|d| d.abs() > VISIBLE);
                if seen && visible.last() != Some(&x) {
                    visible.push(x);
                }
            }
        }
        visible
    }

    /// Returns the difference across a seam that should vanish: how much more pixel `at` must
    /// change than its neighbour, which is known or has another source.
    fn mismatch(&self, at: usize, neighbour: usize, (dx, dy): (isize, isize)) -> Option<[f32; 3]> {
        let ahead = self.extrapolate(at, (dx, dy));
        if self.label[neighbour] == KNOWN {
            return ahead.map(|ahead| subtract(self.known_colour(neighbour), ahead));
        }
        let (own, theirs) = (self.colour(at), self.colour(neighbour));
        let behind = self.extrapolate(neighbour, (-dx, -dy));
        Some(match (ahead, behind) {
            (Some(ahead), Some(behind)) => {
                let (a, b) = (subtract(theirs, ahead), subtract(behind, own));
                std::array::from_fn(|c| 0.5 * (a[c] + b[c]))
            }
            (Some(ahead), None) => subtract(theirs, ahead),
            (None, Some(behind)) => subtract(behind, own),
            (None, None) => subtract(theirs, own),
        })
    }

    /// Shifts inherited pixels smoothly to match their known or filled surroundings. Returns false
    /// if there are none.
    fn match_inherited(&mut self) -> bool {
        let count = self.width * self.height;
        let free: Vec<u32> = (0..count as u32)
            .filter(|&at| {
                let label = self.label[at as usize];
                label < UNFILLED && label & INHERITED != 0
            })
            .collect();
        if free.is_empty() {
            return false;
        }
        let mut sums = vec![[0.0f32; 3]; count];
        let mut counts = vec![0.0f32; count];
        for &at in &free {
            let at = at as usize;
            let (x, y) = (at % self.width, at / self.width);
            for step in NEIGHBOURS {
                let Some(neighbour) = self.neighbour(x, y, step) else {
                    continue;
                };
                let there = match self.label[neighbour] {
                    KNOWN => self.known_colour(neighbour),
                    UNFILLED => continue,
                    label if label & INHERITED == 0 => self.colour(neighbour),
                    _ => continue,
                };
                if let Some(shown) = self.extrapolate(at, step) {
                    (0..3).for_each(|c| sums[neighbour][c] += there[c] - shown[c]);
                    counts[neighbour] += 1.0;
                }
            }
        }
        for (sum, &count) in sums.iter_mut().zip(&counts) {
            *sum = sum.map(|s| (s / count.max(1.0)).clamp(-MAX_DIFFERENCE, MAX_DIFFERENCE));
        }
        let fixed: Vec<u8> = counts.iter().map(|&count| u8::from(count > 0.0)).collect();
        membrane::interpolate((self.width, self.height), &mut sums, &fixed, &free);
        for at in free {
            self.add_correction(at as usize, sums[at as usize]);
        }
        true
    }
}

fn subtract(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    std::array::from_fn(|c| a[c] - b[c])
}
