//! A thumbnail of the structure of a frame, and the correlation of two thumbnails.

use crate::{Frame, Mask};

/// Number of cells on the longer side.
const CELLS: usize = 64;
/// Smallest side of a cell in pixels. Single pixels are too noisy.
const MIN_CELL: usize = 2;
/// Largest number of samples of a cell on each axis.
const SAMPLES: usize = 4;
/// Radius in cells of the local mean that is subtracted.
const MEAN_RADIUS: usize = 3;
/// Size of a block in cells (columns, rows). A row fills a vector register.
const BLOCK: (usize, usize) = (16, 12);
/// Largest camera motion in cells on each axis.
const MAX_MOTION: isize = 8;
/// Number of displacements on an axis.
const SHIFTS: usize = 2 * MAX_MOTION as usize + 1;
/// Largest deviation in cells of a block from the camera motion, or from standing still.
const MAX_DEVIATION: usize = 3;
/// Smallest share of a block's energy that must lie on known cells of the previous thumbnail.
const MIN_KNOWN_ENERGY: f32 = 0.4;
/// Smallest mean square of a block with structure, in squared levels of 255.
const MIN_ENERGY: f32 = 6.0;
/// Smallest share of a frame's blocks that must have structure.
const MIN_STRUCTURED: f32 = 0.15;

/// The structure of a frame. A margin of zeros on every side covers the displacements of the outer
/// blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct Thumbnail {
    /// Width in cells, without the margin.
    width: usize,
    /// Height in cells, without the margin.
    height: usize,
    /// Luma minus the local mean; 0 where unknown.
    structure: Vec<f32>,
    /// 1 where known, else 0.
    known: Vec<f32>,
    /// Square of `structure`.
    energy: Vec<f32>,
}

/// Width of the margin in cells.
const MARGIN: usize = MAX_MOTION as usize + BLOCK.0;

/// The sums of a cross-correlation over the cells known in both blocks: the product, and the energy
/// of each block.
#[derive(Clone, Copy, Default)]
struct CrossCorrelation {
    product: f32,
    own: f32,
    other: f32,
}

impl CrossCorrelation {
    /// Returns the normalised correlation, 0 to 1.
    fn correlation(self) -> f32 {
        let energies = self.own * self.other;
        if energies > 0.0 {
            (self.product / energies.sqrt()).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

impl Thumbnail {
    /// Computes the thumbnail of a frame. `hole`, of any size, marks the pixels to ignore.
    pub fn new(frame: &Frame, hole: &Mask) -> Self {
        let (width, height) = (frame.width(), frame.height());
        let cell = width.max(height).div_ceil(CELLS).max(MIN_CELL);
        let (columns, rows) = (width.div_ceil(cell), height.div_ceil(cell));
        let (luma, known) = means(frame, hole, cell, (columns, rows));
        let means = local_means(&luma, &known, columns, rows);
        let stride = columns + 2 * MARGIN;
        let cells = stride * (rows + 2 * MARGIN);
        let mut out = Self {
            width: columns,
            height: rows,
            structure: vec![0.0; cells],
            known: vec![0.0; cells],
            energy: vec![0.0; cells],
        };
        for i in 0..columns * rows {
            let at = (i / columns + MARGIN) * stride + i % columns + MARGIN;
            let structure = known[i] * (luma[i] - means[i]);
            out.structure[at] = structure;
            out.energy[at] = structure * structure;
            out.known[at] = known[i];
        }
        out
    }

    /// Returns the distance between rows, in cells.
    fn stride(&self) -> usize {
        self.width + 2 * MARGIN
    }

    /// Returns the index of each block's upper left cell. The last blocks may overlap those before.
    fn blocks(&self) -> impl Iterator<Item = usize> {
        let starts = |length: usize, block: usize| {
            let count = length.div_ceil(block);
            let rest = length.saturating_sub(block);
            (0..count).map(move |i| MARGIN + i * rest / (count - 1).max(1))
        };
        let (columns, stride) = (starts(self.width, BLOCK.0), self.stride());
        starts(self.height, BLOCK.1).flat_map(move |y| columns.clone().map(move |x| y * stride + x))
    }

    /// Returns whether enough blocks have structure for a comparison.
    pub fn has_structure(&self) -> bool {
        let structured = self
            .blocks()
            .filter(|&block| self.block_has_structure(block))
            .count();
        structured as f32 >= MIN_STRUCTURED * self.blocks().count() as f32 && structured > 0
    }

    /// Returns whether a block has structure on enough known cells.
    fn block_has_structure(&self, block: usize) -> bool {
        let (mut known, mut energy) = (0.0, 0.0);
        for row in 0..BLOCK.1 {
            let at = block + row * self.stride();
            known += self.known[at..at + BLOCK.0].iter().sum::<f32>();
            energy += self.energy[at..at + BLOCK.0].iter().sum::<f32>();
        }
        let cells = BLOCK.0.min(self.width) * BLOCK.1.min(self.height);
        known >= 0.5 * cells as f32 && energy > MIN_ENERGY * known
    }

    /// Returns one minus the mean correlation, or `None` if the sizes differ or no block has
    /// structure; and the camera motion.
    ///
    /// `guess` is a motion that is likely, such as the one before. It saves time and changes nothing.
    pub fn difference(&self, before: &Self, guess: Motion) -> Option<(f64, Motion)> {
        if (self.width, self.height) != (before.width, before.height) {
            return None;
        }
        let blocks: Vec<usize> = self
            .blocks()
            .filter(|&block| self.block_has_structure(block))
            .collect();
        if blocks.is_empty() {
            return None;
        }
        if self == before {
            // Every block correlates perfectly where it is.
            return Some((0.0, Motion::STILL));
        }
        let mut correlations = Correlations::new(self, before, &blocks);
        let all = blocks.len() as f32;
        // Each block counts once. Otherwise the high contrast of a still caption would dominate.
        let likely = [Motion::STILL, guess].map(|motion| correlations.sum(motion, 0.0));
        let mut bound = likely.into_iter().flatten().fold(0.0, f32::max);
        let mut camera = (Motion::STILL, 0.0);
        for motion in (0..SHIFTS * SHIFTS).map(Motion) {
            if let Some(found) = correlations.sum(motion, bound)
                && found > camera.1
            {
                camera = (motion, found);
                bound = bound.max(found);
            }
        }
        let sum: f32 = (0..blocks.len())
            .map(|block| {
                let shifts = camera.0.around().chain(Motion::STILL.around());
                shifts.fold(0.0, |best: f32, shift| {
                    best.max(correlations.at(block, shift))
                })
            })
            .sum();
        Some((f64::from(1.0 - sum / all).clamp(0.0, 1.0), camera.0))
    }

    /// Correlates a block with one of the previous thumbnail.
    fn correlate(&self, before: &Self, here: usize, there: usize) -> CrossCorrelation {
        const W: usize = BLOCK.0;
        let lanes = |plane: &[f32], at: usize| -> [f32; W] {
            plane[at..].first_chunk().copied().unwrap_or([0.0; W])
        };
        let (mut product, mut own, mut other) = ([0.0f32; W], [0.0f32; W], [0.0f32; W]);
        for row in 0..BLOCK.1 {
            let step = row * self.stride();
            let (here, there) = (here + step, there + step);
            let (a, b) = (
                lanes(&self.structure, here),
                lanes(&before.structure, there),
            );
            let (ea, eb) = (lanes(&self.energy, here), lanes(&before.energy, there));
            let (ka, kb) = (lanes(&self.known, here), lanes(&before.known, there));
            for i in 0..W {
                product[i] += a[i] * b[i];
                own[i] += ea[i] * kb[i];
                other[i] += eb[i] * ka[i];
            }
        }
        CrossCorrelation {
            product: product.iter().sum(),
            own: own.iter().sum(),
            other: other.iter().sum(),
        }
    }
}

/// A displacement of a thumbnail, as an index of all displacements, row by row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Motion(usize);

impl Motion {
    /// No displacement.
    pub const STILL: Self = Self(MAX_MOTION as usize * (SHIFTS + 1));

    /// Returns the displacements from which a block of this camera motion may be taken.
    fn around(self) -> impl Iterator<Item = Self> {
        let span = |t: usize| t.saturating_sub(MAX_DEVIATION)..(t + MAX_DEVIATION + 1).min(SHIFTS);
        let columns = span(self.0 % SHIFTS);
        let rows = span(self.0 / SHIFTS);
        rows.flat_map(move |y| columns.clone().map(move |x| Self(y * SHIFTS + x)))
    }
}

/// The correlations of blocks with the previous thumbnail, each computed when it is first needed.
struct Correlations<'a> {
    now: &'a Thumbnail,
    before: &'a Thumbnail,
    blocks: &'a [usize],
    /// Smallest energy on known cells at which a block is compared.
    least: Vec<f32>,
    /// One value for each block and displacement, NaN if it is not known yet.
    known: Vec<f32>,
}

impl<'a> Correlations<'a> {
    fn new(now: &'a Thumbnail, before: &'a Thumbnail, blocks: &'a [usize]) -> Self {
        let energy = |&block: &usize| {
            let rows = (0..BLOCK.1).map(|row| block + row * now.stride());
            rows.map(|at| now.energy[at..at + BLOCK.0].iter().sum::<f32>())
                .sum::<f32>()
        };
        Self {
            now,
            before,
            blocks,
            least: blocks
                .iter()
                .map(|block| MIN_KNOWN_ENERGY * energy(block))
                .collect(),
            known: vec![f32::NAN; blocks.len() * SHIFTS * SHIFTS],
        }
    }

    /// Returns the correlation of a block, 0 where too little of it is known.
    fn at(&mut self, block: usize, Motion(shift): Motion) -> f32 {
        let known = &mut self.known[block * SHIFTS * SHIFTS + shift];
        if known.is_nan() {
            let axis = |t: usize| t as isize - MAX_MOTION;
            let step = axis(shift / SHIFTS) * self.now.stride() as isize + axis(shift % SHIFTS);
            let here = self.blocks[block];
            let found = self
                .now
                .correlate(self.before, here, here.wrapping_add_signed(step));
            *known = match found.own >= self.least[block] {
                true => found.correlation(),
                false => 0.0,
            };
        }
        *known
    }

    /// Returns the sum over all blocks, or `None` once it is clear that it stays below `bound`.
    fn sum(&mut self, motion: Motion, bound: f32) -> Option<f32> {
        let mut sum = 0.0;
        for block in 0..self.blocks.len() {
            sum += self.at(block, motion);
            // No correlation is above one; the sum of all is rounded.
            if sum + (self.blocks.len() - 1 - block) as f32 + 0.001 < bound {
                return None;
            }
        }
        Some(sum)
    }
}

/// Returns the mean luma of each cell's known samples, and 1 where at least half of them are known.
fn means(
    frame: &Frame,
    hole: &Mask,
    cell: usize,
    (columns, rows): (usize, usize),
) -> (Vec<f32>, Vec<f32>) {
    let (width, height) = (frame.width(), frame.height());
    let step = cell.div_ceil(SAMPLES);
    let mut sums = vec![(0u32, 0u32, 0u32); columns * rows];
    // Of a frame on a device only the samples come to the host.
    let sampled = frame.device().map(|frame| frame.sampled(step));
    let (bytes, apart) = match &sampled {
        Some(sampled) => (&sampled[..], step),
        None => (frame.rgb(), 1),
    };
    let line = 3 * width.div_ceil(apart);
    let xs: Vec<(usize, usize, usize)> = (0..width)
        .step_by(step)
        .map(|x| (x / apart, x / cell, x * hole.width() / width))
        .collect();
    for y in (0..height).step_by(step) {
        let rgb = &bytes[y / apart * line..][..line];
        let holes = &hole.hole()[y * hole.height() / height * hole.width()..][..hole.width()];
        let sums = &mut sums[y / cell * columns..][..columns];
        for &(x, column, hx) in &xs {
            let known = u32::from(1 - holes[hx]);
            let luma = 77 * u32::from(rgb[3 * x])
                + 150 * u32::from(rgb[3 * x + 1])
                + 29 * u32::from(rgb[3 * x + 2]);
            let sum = &mut sums[column];
            *sum = (sum.0 + known * luma, sum.1 + known, sum.2 + 1);
        }
    }
    sums.into_iter()
        .map(|(luma, known, all)| {
            let mean = luma as f32 / (256 * known.max(1)) as f32;
            (mean, if 2 * known >= all { 1.0 } else { 0.0 })
        })
        .unzip()
}

/// Returns the mean of the known cells around each cell, by a separable box filter.
fn local_means(luma: &[f32], known: &[f32], columns: usize, rows: usize) -> Vec<f32> {
    let span =
        |t: usize, limit: usize| t.saturating_sub(MEAN_RADIUS)..(t + MEAN_RADIUS + 1).min(limit);
    // First along rows, then along columns.
    let mut sums = Vec::with_capacity(luma.len());
    for i in 0..luma.len() {
        let row = i / columns * columns;
        let cells = span(i % columns, columns).map(|x| row + x);
        sums.push(cells.fold((0.0, 0.0), |(sum, count), at| {
            (sum + known[at] * luma[at], count + known[at])
        }));
    }
    let mut out = Vec::with_capacity(luma.len());
    for i in 0..luma.len() {
        let cells = span(i / columns, rows).map(|y| y * columns + i % columns);
        let (sum, count) = cells.fold((0.0, 0.0), |(sum, count): (f32, f32), at| {
            (sum + sums[at].0, count + sums[at].1)
        });
        out.push(sum / count.max(1.0));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::Scene;

    #[test]
    fn correlations_that_cannot_win_are_left_out_and_change_nothing() {
        let scene = |pan| Scene {
            pan,
            ..Scene::new(192, 128, 3)
        };
        let none = Mask::empty(192, 128);
        for pan in [(0.0, 0.0), (-2.3, 0.1), (9.0, -4.0)] {
            let [a, b] = [0, 3].map(|i| Thumbnail::new(&scene(pan).frame(i), &none));
            let found = b.difference(&a, Motion::STILL);
            let (_, camera) = found.expect("both have structure");
            // Whatever is guessed, the result is that of all sums.
            for guess in [camera, Motion(0), Motion(SHIFTS * SHIFTS - 1)] {
                assert_eq!(b.difference(&a, guess), found, "{guess:?}");
            }
            let blocks: Vec<usize> = b
                .blocks()
                .filter(|&block| b.block_has_structure(block))
                .collect();
            let mut all = Correlations::new(&b, &a, &blocks);
            let sums = (0..SHIFTS * SHIFTS).map(|i| all.sum(Motion(i), 0.0));
            let sums: Vec<f32> = sums.map(|sum| sum.expect("no bound")).collect();
            let most = sums.iter().copied().fold(0.0, f32::max);
            assert_eq!(sums.iter().position(|&sum| sum == most), Some(camera.0));
            let mut few = Correlations::new(&b, &a, &blocks);
            let left = (0..SHIFTS * SHIFTS).filter(|&i| few.sum(Motion(i), most).is_some());
            assert!(left.count() < 10);
            let computed = few.known.iter().filter(|known| !known.is_nan()).count();
            assert!(
                10 * computed < 9 * few.known.len(),
                "{computed} of {}",
                few.known.len()
            );
        }
    }
}
