//! The tokens of a frame and the windows of the attention, in integers (spec section 6).

pub use crate::kernels::token_pool::POOL;
use crate::{Rect, kernels::fold};

/// Rows and columns of tokens in a window.
pub const WINDOW: [usize; 2] = [5, 9];

/// Keys of each frame that are rolled into a window from around it.
pub const ROLLED: usize = 148;

/// The distance by which the keys around a window are rolled in, in rows and columns.
const ROLL: [usize; 2] = [3, 5];

/// The grid of the tokens of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenGrid {
    /// Rows of tokens.
    pub rows: usize,
    /// Columns of tokens.
    pub columns: usize,
}

impl TokenGrid {
    /// Returns the grid over features with this many rows and columns.
    pub fn over(features: [usize; 2]) -> Self {
        let [rows, columns] = fold::patches(features);
        Self { rows, columns }
    }

    /// Returns the number of tokens.
    pub fn tokens(self) -> usize {
        self.rows * self.columns
    }

    /// Returns the number of rows and columns of windows.
    pub(super) fn windows(self) -> [usize; 2] {
        [
            self.rows.div_ceil(WINDOW[0]),
            self.columns.div_ceil(WINDOW[1]),
        ]
    }

    /// Returns the number of rows and columns of tokens, padded to whole windows.
    fn padded(self) -> [usize; 2] {
        let [rows, columns] = self.windows();
        [rows * WINDOW[0], columns * WINDOW[1]]
    }

    /// Returns the number of rows and columns of pooled tokens.
    pub fn pooled(self) -> [usize; 2] {
        self.padded().map(|side| side / POOL)
    }

    /// Returns the token at a place of the padded grid; `None` in the padding.
    pub(super) fn token(self, [row, column]: [usize; 2]) -> Option<usize> {
        (row < self.rows && column < self.columns).then_some(row * self.columns + column)
    }

    /// Returns all tokens as a rectangle.
    pub fn whole(self) -> Rect {
        Rect::whole([self.rows, self.columns])
    }

    /// Returns the places of a window in the padded grid, row by row.
    pub(super) fn places(self, window: usize) -> impl Iterator<Item = [usize; 2]> + Clone {
        let across = self.windows()[1];
        let top = window / across * WINDOW[0];
        let left = window % across * WINDOW[1];
        (0..WINDOW[0]).flat_map(move |r| (0..WINDOW[1]).map(move |c| [top + r, left + c]))
    }

    /// Returns the places in the padded grid that are rolled into a window from around it: those that
    /// the four rolls of the padded grid move into the window and that are not its own.
    pub(super) fn around(self, window: usize) -> impl Iterator<Item = [usize; 2]> {
        let padded = self.padded();
        let signs = [[true, true], [true, false], [false, true], [false, false]];
        let indices = (0..WINDOW[0]).flat_map(|r| (0..WINDOW[1]).map(move |c| [r, c]));
        signs.into_iter().flat_map(move |sign| {
            let places = self.places(window).zip(indices.clone());
            places.filter_map(move |(place, index)| {
                let axis = |i: usize| {
                    // A roll by −3 moves the place three further on into the window.
                    let (length, roll) = (padded[i], ROLL[i] % padded[i]);
                    if sign[i] {
                        let own = index[i] + ROLL[i] < WINDOW[i];
                        ((place[i] + roll) % length, own)
                    } else {
                        let own = index[i] >= ROLL[i];
                        ((place[i] + length - roll) % length, own)
                    }
                };
                let ((row, own_row), (column, own_column)) = (axis(0), axis(1));
                (!(own_row && own_column)).then_some([row, column])
            })
        })
    }
}

/// Returns, for each token, whether its 7×7 patch contains mask pixels of any frame. `masks` is
/// `[frames, H/4, W/4]`.
pub fn mask_tokens(masks: &[f32], [height, width]: [usize; 2]) -> Vec<bool> {
    let grid = TokenGrid::over([height, width]);
    let mut masked = vec![false; grid.tokens()];
    for p in 0..height * width {
        if masks[p..].iter().step_by(height * width).any(|&m| m > 0.0) {
            for row in fold::covering(p / width, grid.rows) {
                let columns = fold::covering(p % width, grid.columns);
                masked[row * grid.columns..][columns].fill(true);
            }
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_sees_mask_pixels_of_its_patch_only() {
        let features = [10, 13];
        let grid = TokenGrid::over(features);
        for pixel in 0..10 * 13 {
            let mut masks = vec![0.0; 2 * 10 * 13];
            masks[10 * 13 + pixel] = 1.0;
            let masked = mask_tokens(&masks, features);
            for (token, &sees) in masked.iter().enumerate() {
                let near = |pixel: usize, token: usize| (3 * token).abs_diff(pixel) <= 3;
                let expected = near(pixel / 13, token / grid.columns)
                    && near(pixel % 13, token % grid.columns);
                assert_eq!(sees, expected, "pixel {pixel}, token {token}");
            }
        }
    }

    #[test]
    fn the_places_around_a_window_are_those_that_the_rolled_grid_moves_in() {
        let grid = TokenGrid::over([44, 50]); // padded to 15×18
        let padded = grid.padded();
        assert_eq!(padded, [15, 18]);
        let inside = |index: usize, roll: isize, length: usize| {
            (0..length as isize).contains(&(index as isize - roll))
        };
        for window in 0..6 {
            let mut expected = Vec::new();
            for roll in [[-3, -5], [-3, 5], [3, -5], [3, 5]] {
                for (i, [row, column]) in grid.places(window).enumerate() {
                    if inside(i / 9, roll[0], 5) && inside(i % 9, roll[1], 9) {
                        continue;
                    }
                    let from = |place: usize, roll: isize, length: usize| {
                        (place as isize - roll).rem_euclid(length as isize) as usize
                    };
                    expected.push([
                        from(row, roll[0], padded[0]),
                        from(column, roll[1], padded[1]),
                    ]);
                }
            }
            assert_eq!(expected.len(), ROLLED);
            assert_eq!(grid.around(window).collect::<Vec<_>>(), expected);
        }
    }
}
