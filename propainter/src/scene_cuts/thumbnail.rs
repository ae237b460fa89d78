//! A small picture of structure, and how much of it another one has.

use crate::{Frame, Mask};

/// Cells of the longer side.
const CELLS: usize = 64;
/// Pixels of a cell's side at least: single ones are noise.
const LEAST: usize = 2;
/// Samples of a cell on each axis, at most.
const SAMPLES: usize = 4;
/// Cells around a cell whose mean is taken off.
const AROUND: usize = 3;
/// Size of a block in cells: what a row of lanes takes.
const BLOCK: (usize, usize) = (16, 12);
/// Cells by which the camera may move to each side.
const REACH: isize = 8;
/// Displacements on an axis.
const SHIFTS: usize = 2 * REACH as usize + 1;
/// Cells by which a block may be off the camera's displacement, and off none.
const OFF: usize = 3;
/// Share of a block's energy that must lie on known cells of the picture before.
const SEEN: f32 = 0.4;
/// Mean square of a block that has structure, in levels of 255.
const STRUCTURE: f32 = 6.0;
/// Share of a picture's cells that must lie in blocks that can be compared.
const TELLING: f32 = 0.15;

/// A picture's structure, with a margin of nothing on every side that holds what a block at the
/// rim reaches.
#[derive(Clone, Debug)]
pub struct Thumbnail {
    width: usize,
    height: usize,
    /// Luma less the mean around; 0 where not known.
    structure: Vec<f32>,
    /// 1 where known, else 0.
    known: Vec<f32>,
    /// `structure`, squared.
    energy: Vec<f32>,
}

const MARGIN: usize = REACH as usize + BLOCK.0;

/// What a block and a displaced one have in common: sums over cells known in both of the product
/// and of either's energy.
#[derive(Clone, Copy, Default)]
struct Common {
    both: f32,
    own: f32,
    other: f32,
}

impl Common {
    /// 0 (nothing in common) to 1.
    fn correlation(self) -> f32 {
        let energies = self.own * self.other;
        if energies > 0.0 {
            (self.both / energies.sqrt()).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

impl Thumbnail {
    /// Of a frame; `hole`, of any size, is where it shows something else.
    pub fn new(frame: &Frame, hole: &Mask) -> Self {
        let (width, height) = (frame.width(), frame.height());
        let cell = width.max(height).div_ceil(CELLS).max(LEAST);
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

    /// Place of each block's upper left cell; the last ones may overlap those before.
    fn blocks(&self) -> impl Iterator<Item = usize> {
        let starts = |length: usize, block: usize| {
            let count = length.div_ceil(block);
            let rest = length.saturating_sub(block);
            (0..count).map(move |i| MARGIN + i * rest / (count - 1).max(1))
        };
        let (columns, stride) = (starts(self.width, BLOCK.0), self.stride());
        starts(self.height, BLOCK.1).flat_map(move |y| columns.clone().map(move |x| y * stride + x))
    }

    /// Whether enough of it has structure.
    pub fn telling(&self) -> bool {
        let textured = self.blocks().filter(|&block| self.textured(block)).count();
        textured as f32 >= TELLING * self.blocks().count() as f32 && textured > 0
    }

    /// Whether the block at a place has structure on enough known cells.
    fn textured(&self, block: usize) -> bool {
        let (mut known, mut energy) = (0.0, 0.0);
        for row in 0..BLOCK.1 {
            let at = block + row * self.stride();
            known += self.known[at..at + BLOCK.0].iter().sum::<f32>();
            energy += self.energy[at..at + BLOCK.0].iter().sum::<f32>();
        }
        let cells = BLOCK.0.min(self.width) * BLOCK.1.min(self.height);
        known >= 0.5 * cells as f32 && energy > STRUCTURE * known
    }

    /// One less the mean correlation; `None` where the two are not of one size.
    pub fn difference(&self, before: &Self) -> Option<f64> {
        if (self.width, self.height) != (before.width, before.height) {
            return None;
        }
        let blocks: Vec<Vec<Common>> = self
            .blocks()
            .filter(|&block| self.textured(block))
            .map(|block| self.search(before, block))
            .collect();
        // Each block counts as one: a still caption has the most contrast, not the most to say.
        let all =
            |shift: usize| -> f32 { blocks.iter().map(|block| block[shift].correlation()).sum() };
        let still = (REACH as usize, REACH as usize);
        let mut camera = (still, 0.0);
        for shift in 0..SHIFTS * SHIFTS {
            let found = all(shift);
            if found > camera.1 {
                camera = ((shift % SHIFTS, shift / SHIFTS), found);
            }
        }
        let best = |block: &Vec<Common>| {
            let around = |(x, y): (usize, usize)| {
                let span = |t: usize| t.saturating_sub(OFF)..(t + OFF + 1).min(SHIFTS);
                span(y).flat_map(move |y| span(x).map(move |x| y * SHIFTS + x))
            };
            let shifts = around(camera.0).chain(around(still));
            shifts.fold(0.0, |best: f32, shift| best.max(block[shift].correlation()))
        };
        let sum: f32 = blocks.iter().map(best).sum();
        (!blocks.is_empty()).then(|| f64::from(1.0 - sum / blocks.len() as f32).clamp(0.0, 1.0))
    }

    /// What a block has in common with the picture before at each displacement, row by row;
    /// nothing where too little of it is known there.
    fn search(&self, before: &Self, block: usize) -> Vec<Common> {
        let stride = self.stride();
        let least = SEEN
            * (0..BLOCK.1)
                .map(|row| block + row * stride)
                .map(|at| self.energy[at..at + BLOCK.0].iter().sum::<f32>())
                .sum::<f32>();
        let mut out = Vec::with_capacity(SHIFTS * SHIFTS);
        for dy in -REACH..=REACH {
            for dx in -REACH..=REACH {
                let there = block.wrapping_add_signed(dy * stride as isize + dx);
                let common = self.common(before, block, there);
                out.push(if common.own >= least {
                    common
                } else {
                    Common::default()
                });
            }
        }
        out
    }

    fn common(&self, before: &Self, here: usize, there: usize) -> Common {
        const W: usize = BLOCK.0;
        let lanes = |plane: &[f32], at: usize| -> [f32; W] {
            plane[at..].first_chunk().copied().unwrap_or([0.0; W])
        };
        let (mut both, mut own, mut other) = ([0.0f32; W], [0.0f32; W], [0.0f32; W]);
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
                both[i] += a[i] * b[i];
                own[i] += ea[i] * kb[i];
                other[i] += eb[i] * ka[i];
            }
        }
        Common {
            both: both.iter().sum(),
            own: own.iter().sum(),
            other: other.iter().sum(),
        }
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
