//! Where one scene ends and another begins.
//!
//! Both pictures are brought to a thumbnail of luma, 64 cells on the longer side, less the mean
//! around each cell: what is left is structure, which neither a fade nor a swing of exposure
//! changes but in strength. The thumbnail is cut into blocks. Each block that has structure is
//! searched for in the thumbnail before, up to an eighth of the longer side away, and compared by
//! correlation, which strength does not change either. The difference of two pictures is one
//! less the mean of the blocks' best correlations: 0 where all is found again, as in pans, slow
//! zooms and around moving objects; far above where nothing is. Cells in the hole do not count.
//!
//! A picture without structure (a white flash, a fade's black) says nothing: the next one that
//! has some is compared with the last one that had.

use crate::{Frame, Mask};

/// Cells of the longer side.
const CELLS: usize = 64;
/// Samples of a cell on each axis, at most.
const SAMPLES: usize = 6;
/// Cells around a cell whose mean is taken off.
const AROUND: usize = 3;
/// Size of a block in cells.
const BLOCK: (usize, usize) = (16, 12);
/// Cells by which a block is searched to each side.
const REACH: isize = 8;
/// Mean square of a block that has structure, in levels of 255.
const STRUCTURE: f32 = 6.0;
/// Share of a picture's cells that must lie in blocks that can be compared.
const TELLING: f32 = 0.15;

/// Looks at a stream's frames, one by one.
#[derive(Clone, Debug)]
pub struct Detector {
    /// The difference from which on two frames are of two scenes.
    threshold: f64,
    /// Frames of the shortest scene.
    shortest: usize,
    /// The last picture with structure.
    before: Option<Thumbnail>,
    /// Frames since the scene began.
    since: usize,
}

impl Detector {
    /// `threshold` is within 0 to 1. A scene of fewer than `shortest` frames is none: it goes
    /// with the one after it.
    pub fn new(threshold: f64, shortest: usize) -> Self {
        Self {
            threshold,
            shortest,
            before: None,
            since: 0,
        }
    }

    /// Whether `frame` begins a scene. `hole`, of any size, is where it shows something else.
    pub fn begins(&mut self, frame: &Frame, hole: &Mask) -> bool {
        let difference = self.difference(frame, hole);
        let cut = difference.is_some_and(|d| d > self.threshold) && self.since >= self.shortest;
        self.since = if cut { 1 } else { self.since + 1 };
        cut
    }

    /// How different `frame` is from the last one that had structure, 0 to 1; `None` where
    /// nothing can be compared.
    pub fn difference(&mut self, frame: &Frame, hole: &Mask) -> Option<f64> {
        let now = Thumbnail::new(frame, hole);
        if !now.telling() {
            return None;
        }
        let before = self.before.replace(now);
        let (now, before) = (self.before.as_ref()?, before?);
        now.difference(&before)
    }

    /// Forgets all frames: another stream begins.
    pub fn flush(&mut self) {
        self.before = None;
        self.since = 0;
    }
}

/// A picture's structure, with a margin of [`REACH`] cells of nothing on every side.
#[derive(Clone, Debug)]
struct Thumbnail {
    width: usize,
    height: usize,
    /// Luma less the mean around; 0 where not known.
    structure: Vec<f32>,
    /// 1 where known, else 0.
    known: Vec<f32>,
    /// `structure`, squared.
    energy: Vec<f32>,
}

const MARGIN: usize = REACH as usize;

impl Thumbnail {
    fn new(frame: &Frame, hole: &Mask) -> Self {
        let (width, height) = (frame.width(), frame.height());
        let cell = width.max(height).div_ceil(CELLS);
        let (columns, rows) = (width.div_ceil(cell), height.div_ceil(cell));
        let (luma, known) = means(frame, hole, cell, (columns, rows));
        let around = around(&luma, &known, columns, rows);
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
            let structure = known[i] * (luma[i] - around[i]);
            out.structure[at] = structure;
            out.energy[at] = structure * structure;
            out.known[at] = known[i];
        }
        out
    }

    fn stride(&self) -> usize {
        self.width + 2 * MARGIN
    }

    /// Upper left cell and size of each block.
    fn blocks(&self) -> impl Iterator<Item = (usize, usize, usize, usize)> {
        let parts = |length: usize, block: usize| {
            let count = (length / block).max(1);
            (0..count).map(move |i| (i * length / count, (i + 1) * length / count))
        };
        let columns = parts(self.width, BLOCK.0);
        parts(self.height, BLOCK.1).flat_map(move |(top, bottom)| {
            columns
                .clone()
                .map(move |(left, right)| (left, top, right - left, bottom - top))
        })
    }

    /// Whether enough of it has structure.
    fn telling(&self) -> bool {
        let cells = (self.width * self.height) as f32;
        let textured = self.blocks().filter(|&block| self.textured(block));
        textured.map(|(_, _, w, h)| (w * h) as f32).sum::<f32>() >= TELLING * cells
    }

    fn textured(&self, (x, y, width, height): (usize, usize, usize, usize)) -> bool {
        let (mut known, mut energy) = (0.0, 0.0);
        for row in y..y + height {
            let at = (row + MARGIN) * self.stride() + x + MARGIN;
            known += self.known[at..at + width].iter().sum::<f32>();
            energy += self.energy[at..at + width].iter().sum::<f32>();
        }
        known >= 0.5 * (width * height) as f32 && energy > STRUCTURE * known
    }

    fn difference(&self, before: &Self) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0);
        for block in self.blocks().filter(|&block| self.textured(block)) {
            sum += self.best(before, block);
            count += 1;
        }
        (count > 0).then(|| f64::from(1.0 - sum / count as f32).clamp(0.0, 1.0))
    }

    /// The best correlation of a block with one as large in the picture before, 0 to 1.
    fn best(
        &self,
        before: &Self,
        (x, y, width, height): (usize, usize, usize, usize),
    ) -> f32 {
        let stride = self.stride();
        let mut best = 0.0f32;
        for dy in -REACH..=REACH {
            for dx in -REACH..=REACH {
                let (mut both, mut own, mut other, mut cells) = (0.0, 0.0, 0.0, 0.0);
                for row in y..y + height {
                    let at = (row + MARGIN) * stride + x + MARGIN;
                    let there = at.wrapping_add_signed(dy * stride as isize + dx);
                    let (a, b) = (&self.structure[at..][..width], &before.structure[there..][..width]);
                    let (ea, eb) = (&self.energy[at..][..width], &before.energy[there..][..width]);
                    let (ka, kb) = (&self.known[at..][..width], &before.known[there..][..width]);
                    for i in 0..width {
                        both += a[i] * b[i];
                        own += ea[i] * kb[i];
                        other += eb[i] * ka[i];
                        cells += ka[i] * kb[i];
                    }
                }
                if both > 0.0 && cells >= 0.4 * (width * height) as f32 {
                    best = best.max(both / (own * other).sqrt());
                }
            }
        }
        best
    }
}

/// Mean luma of each cell's known samples, and whether half of them are known.
fn means(
    frame: &Frame,
    hole: &Mask,
    cell: usize,
    (columns, rows): (usize, usize),
) -> (Vec<f32>, Vec<f32>) {
    let (width, height) = (frame.width(), frame.height());
    let step = cell.div_ceil(SAMPLES);
    let mut sums = vec![(0u32, 0u32, 0u32); columns * rows];
    let xs: Vec<(usize, usize, usize)> = (0..width)
        .step_by(step)
        .map(|x| (x, x / cell, x * hole.width() / width))
        .collect();
    for y in (0..height).step_by(step) {
        let rgb = &frame.rgb()[3 * y * width..][..3 * width];
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

/// Mean of the known cells around each cell.
fn around(luma: &[f32], known: &[f32], columns: usize, rows: usize) -> Vec<f32> {
    let span = |t: usize, limit: usize| t.saturating_sub(AROUND)..(t + AROUND + 1).min(limit);
    // Along rows, then along columns.
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
