//! Tells frames that differ by noise alone from frames in which something moves.
//!
//! Motion changes a pixel in proportion to the gradient there, noise does not. Cells of 8×8 pixels
//! show what moves fast or alone, tiles of 64×64 and the frame what moves too slowly to be seen in a
//! cell. All sums are whole numbers.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rayon::prelude::*;

use super::pyramid::PyramidLevel;

/// Side of a cell in pixels.
const CELL: usize = 8;
/// Side of a tile in cells.
const TILE: usize = 8;
/// Number of pixels that a cell needs to count, and of cells that a decision needs.
const MIN_PIXELS: i64 = 32;
const MIN_CELLS: usize = 16;
/// Largest mean square of the differences that is noise, in levels of 255.
const MAX_NOISE: i64 = 72;
/// Differences in a cell, as a mean square, that count whatever the noise is elsewhere, and as a
/// multiple of the median.
const MIN_CHANGE: i64 = 16;
const MAX_RATIO: i64 = 6;
/// Differences in a cell that are not looked at, as a mean square.
const INVISIBLE: i64 = 4;
/// Least squared correlation of differences and gradients that is motion, in a cell, in tenths.
const CORRELATED: i128 = 7;
/// Least motion of a tile in pixels, and its least squared ratio to what noise explains.
const MIN_MOTION: f64 = 0.02;
const MIN_SIGNIFICANCE: f64 = 50.0;

/// Sums over the pixels of a cell or a tile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    pixels: i64,
    /// Squares of the differences.
    squares: i64,
    /// Squares of the gradients, across and down; a gradient is four times that of the mean frame.
    gradients: [i64; 2],
    /// Products of differences and gradients.
    products: [i64; 2],
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.pixels += other.pixels;
        self.squares += other.squares;
        for axis in 0..2 {
            self.gradients[axis] += other.gradients[axis];
            self.products[axis] += other.products[axis];
        }
    }

    /// Returns whether the differences of a cell look like its gradients.
    fn is_motion_of_a_cell(&self) -> bool {
        let visible = self.pixels >= MIN_PIXELS && self.squares > INVISIBLE * self.pixels;
        let explained = |axis: usize| {
            let product = i128::from(self.products[axis]);
            let most = i128::from(self.gradients[axis]) * i128::from(self.squares);
            10 * product * product > CORRELATED * most
        };
        visible && (explained(0) || explained(1))
    }

    /// Returns whether a tile, or the frame, moves by more than noise explains.
    fn is_motion_of_a_tile(&self) -> bool {
        let moves = |axis: usize| {
            let (product, gradient) = (self.products[axis] as f64, self.gradients[axis] as f64);
            let noise = self.squares as f64 / self.pixels as f64;
            4.0 * product.abs() > MIN_MOTION * gradient
                && product * product > MIN_SIGNIFICANCE * gradient * noise
        };
        self.pixels > 0 && (moves(0) || moves(1))
    }
}

/// Returns whether two levels of the same size differ by noise alone, as far as both are known.
pub fn differ_by_noise(first: &PyramidLevel, second: &PyramidLevel) -> bool {
    if (first.width, first.height, first.stride) != (second.width, second.height, second.stride) {
        return false;
    }
    let (columns, rows) = (first.width.div_ceil(CELL), first.height.div_ceil(CELL));
    let loud = AtomicUsize::new(0);
    let bands = (0..rows.div_ceil(TILE)).into_par_iter().map(|band| {
        let mut tiles = vec![Sums::default(); columns.div_ceil(TILE)];
        let mut squares = Vec::new();
        for row in band * TILE..((band + 1) * TILE).min(rows) {
            let mut loud_here = 0;
            for column in 0..columns {
                let cell = cell(first, second, column, row);
                tiles[column / TILE].add(&cell);
                if cell.pixels < MIN_PIXELS {
                    continue;
                }
                if cell.is_motion_of_a_cell() {
                    return None;
                }
                let mean = cell.squares / cell.pixels;
                loud_here += usize::from(mean > MAX_NOISE);
                squares.push(mean);
            }
            if 2 * (loud.fetch_add(loud_here, Relaxed) + loud_here) > columns * rows {
                return None;
            }
        }
        Some((tiles, squares))
    });
    let Some(bands) = bands.collect::<Option<Vec<_>>>() else {
        return false;
    };
    let (tiles, squares): (Vec<_>, Vec<_>) = bands.into_iter().unzip();
    let (mut tiles, mut squares) = (tiles.concat(), squares.concat());
    if squares.len() < MIN_CELLS {
        return false;
    }
    let mut whole = Sums::default();
    tiles.iter().for_each(|tile| whole.add(tile));
    tiles.push(whole);
    let middle = squares.len() / 2;
    let largest = squares.iter().copied().max().unwrap_or(0);
    let (_, &mut median, _) = squares.select_nth_unstable(middle);
    median <= MAX_NOISE
        && largest <= MIN_CHANGE.max(MAX_RATIO * median)
        && !tiles.iter().any(Sums::is_motion_of_a_tile)
}

/// Returns the sums of a cell over the pixels that are known, with those beside them, in both levels.
fn cell(first: &PyramidLevel, second: &PyramidLevel, column: usize, row: usize) -> Sums {
    let width = CELL.min(first.width - column * CELL);
    let mut sums = Sums::default();
    for y in row * CELL..((row + 1) * CELL).min(first.height) {
        let start = first.offset((column * CELL) as isize, y as isize);
        sums.add(&match width {
            // The compiler turns a row of known length into vectors.
            CELL => pixels(first, second, start, CELL),
            _ => pixels(first, second, start, width),
        });
    }
    sums
}

/// Returns the sums of `width` pixels of a row, at most [`CELL`].
#[inline(always)]
fn pixels(first: &PyramidLevel, second: &PyramidLevel, start: usize, width: usize) -> Sums {
    let stride = first.stride;
    let around = |stored: &[u8]| {
        [start, start - 1, start + 1, start - stride, start + stride].map(|at| {
            let mut row = [0; CELL];
            row[..width].copy_from_slice(&stored[at..at + width]);
            row
        })
    };
    let valid = [around(&first.valid), around(&second.valid)];
    let luma = [around(&first.luma), around(&second.luma)];
    let mut sums = [[0i32; CELL]; 6];
    for x in 0..CELL {
        let known = valid.iter().flatten().fold(1, |known, row| known & row[x]);
        let known = i32::from(known);
        let both = |place: usize| i32::from(luma[0][place][x]) + i32::from(luma[1][place][x]);
        let difference = known * (i32::from(luma[0][0][x]) - i32::from(luma[1][0][x]));
        let gradients = [both(2) - both(1), both(4) - both(3)];
        sums[0][x] = known;
        sums[1][x] = difference * difference;
        for (axis, gradient) in gradients.into_iter().enumerate() {
            sums[2 + axis][x] = known * gradient * gradient;
            sums[4 + axis][x] = gradient * difference;
        }
    }
    let [pixels, squares, across, down, product_across, product_down] =
        sums.map(|row| i64::from(row.iter().sum::<i32>()));
    Sums {
        pixels,
        squares,
        gradients: [across, down],
        products: [product_across, product_down],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Frame, Mask,
        classical::{hole::source_map::SourceMap, motion::pyramid::Pyramid},
        synthetic::Scene,
    };

    const SIZE: (usize, usize) = (192, 128);

    /// Noise of so many levels on either side, another for each seed.
    fn noisy(mut frame: Frame, seed: u64, half: f32) -> Frame {
        let mut random = seed;
        for pixel in frame.rgb_mut().chunks_exact_mut(3) {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let noise = ((random >> 40) as f32 / (1 << 23) as f32 - 1.0) * half;
            for value in pixel {
                *value = (f32::from(*value) + noise + 0.5).clamp(0.0, 255.0) as u8;
            }
        }
        frame
    }

    /// The sums of a cell, pixel by pixel.
    fn cell_reference(levels: [&PyramidLevel; 2], column: usize, row: usize) -> Sums {
        let mut sums = Sums::default();
        let [first, second] = levels;
        let stride = first.stride;
        for y in row * CELL..((row + 1) * CELL).min(first.height) {
            for x in column * CELL..((column + 1) * CELL).min(first.width) {
                let at = first.offset(x as isize, y as isize);
                let beside = [at, at - 1, at + 1, at - stride, at + stride];
                let known = |&at: &usize| levels.iter().all(|level| level.valid[at] == 1);
                if !beside.iter().all(known) {
                    continue;
                }
                let both = |at: usize| levels.map(|l| i64::from(l.luma[at])).iter().sum::<i64>();
                let difference = i64::from(first.luma[at]) - i64::from(second.luma[at]);
                sums.pixels += 1;
                sums.squares += difference * difference;
                for (axis, step) in [1, stride].into_iter().enumerate() {
                    let gradient = both(at + step) - both(at - step);
                    sums.gradients[axis] += gradient * gradient;
                    sums.products[axis] += gradient * difference;
                }
            }
        }
        sums
    }

    #[test]
    fn a_row_at_once_gives_the_sums_of_its_pixels() {
        let grey = Frame::new(83, 45, vec![128; 3 * 83 * 45]);
        let mut hole = Mask::empty(83, 45);
        hole.add_rectangle(61, 20, 30, 12);
        let map = SourceMap::new(&hole);
        let levels = [1, 2].map(|seed| {
            let frame = noisy(grey.clone(), seed, 120.0);
            Pyramid::new(&frame, map.as_ref())
        });
        let levels = [&levels[0].0[0], &levels[1].0[0]];
        for row in 0..45usize.div_ceil(CELL) {
            for column in 0..83usize.div_ceil(CELL) {
                let fast = cell(levels[0], levels[1], column, row);
                assert_eq!(fast, cell_reference(levels, column, row), "{column}, {row}");
            }
        }
    }

    fn is_still(first: &Frame, second: &Frame) -> bool {
        let mut hole = Mask::empty(SIZE.0, SIZE.1);
        hole.add_rectangle(60, 40, 48, 32);
        let map = SourceMap::new(&hole);
        let [first, second] = [first, second].map(|frame| Pyramid::new(frame, map.as_ref()));
        differ_by_noise(&first.0[0], &second.0[0])
    }

    fn scene(pan: (f32, f32), object: bool) -> Scene {
        Scene {
            pan,
            parallax: 0.0,
            object,
            logo: false,
            ..Scene::new(SIZE.0, SIZE.1, 3)
        }
    }

    #[test]
    fn noise_is_no_motion() {
        let truth = scene((0.0, 0.0), false).frame(0);
        for half in [0.0, 1.0, 4.3, 9.0] {
            for t in 1..20 {
                let frames = [0, 1].map(|i| noisy(truth.clone(), 2 * t + i, half));
                assert!(is_still(&frames[0], &frames[1]), "{half}, {t}");
            }
        }
    }

    #[test]
    fn motion_is_seen_through_noise() {
        for (pan, object) in [
            ((0.1, 0.0), false),
            ((0.0, -0.3), false),
            ((2.0, 1.0), false),
            ((17.0, 0.0), false),
            ((0.0, 0.0), true),
        ] {
            let scene = scene(pan, object);
            for half in [0.0, 4.3] {
                let frames = [10, 11].map(|t| noisy(scene.frame(t), t as u64, half));
                assert!(!is_still(&frames[0], &frames[1]), "{pan:?}, {half}");
            }
        }
    }

    #[test]
    fn snow_is_no_noise() {
        let grey = Frame::new(SIZE.0, SIZE.1, vec![128; 3 * SIZE.0 * SIZE.1]);
        let frames = [1, 2].map(|seed| noisy(grey.clone(), seed, 120.0));
        assert!(!is_still(&frames[0], &frames[1]));
    }
}
