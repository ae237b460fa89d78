//! Tells frames that differ by noise alone from frames in which something moves.
//!
//! Motion changes a pixel in proportion to the gradient there, noise does not. Cells of 8×8 pixels
//! show what moves fast or alone, tiles of 64×64 and the frame what moves too slowly to be seen in a
//! cell. All sums are whole numbers.

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
#[derive(Clone, Copy, Default)]
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
    let across = columns.div_ceil(TILE);
    let mut tiles = vec![Sums::default(); across * rows.div_ceil(TILE)];
    let (mut squares, mut loud) = (Vec::new(), 0);
    for row in 0..rows {
        for column in 0..columns {
            let cell = cell(first, second, column, row);
            tiles[row / TILE * across + column / TILE].add(&cell);
            if cell.pixels < MIN_PIXELS {
                continue;
            }
            let mean = cell.squares / cell.pixels;
            loud += usize::from(mean > MAX_NOISE);
            if cell.is_motion_of_a_cell() || 2 * loud > columns * rows {
                return false;
            }
            squares.push(mean);
        }
    }
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
    let mut sums = Sums::default();
    let stride = first.stride;
    for y in row * CELL..((row + 1) * CELL).min(first.height) {
        let start = first.offset((column * CELL) as isize, y as isize);
        let width = CELL.min(first.width - column * CELL);
        for at in start..start + width {
            let beside = [at, at - 1, at + 1, at - stride, at + stride];
            if beside
                .iter()
                .any(|&at| first.valid[at] & second.valid[at] == 0)
            {
                continue;
            }
            let both = |at: usize| i64::from(first.luma[at]) + i64::from(second.luma[at]);
            let difference = i64::from(first.luma[at]) - i64::from(second.luma[at]);
            let gradient = [
                both(at + 1) - both(at - 1),
                both(at + stride) - both(at - stride),
            ];
            sums.pixels += 1;
            sums.squares += difference * difference;
            for (axis, gradient) in gradient.into_iter().enumerate() {
                sums.gradients[axis] += gradient * gradient;
                sums.products[axis] += gradient * difference;
            }
        }
    }
    sums
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
