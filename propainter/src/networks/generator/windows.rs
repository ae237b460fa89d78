//! Which tokens the window attention reads: integers only (spec section 6).

use std::{mem, ops::Range};

use crate::{Area, kernels::fold};

/// Rows and columns of tokens in a window.
pub const WINDOW: [usize; 2] = [5, 9];
/// Keys that are rolled into a window from around it, per frame.
pub const ROLLED: usize = 148;
/// How far the neighbouring keys of a window are rolled in, in rows and columns.
const ROLL: [usize; 2] = [3, 5];
/// Side of the squares of tokens that are pooled to one.
pub const POOL: usize = 4;
/// Most keys gathered at once: 32 MB of keys and as much of values at 512 channels.
pub const KEYS_AT_ONCE: usize = 1 << 14;

/// The tokens of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    pub rows: usize,
    pub columns: usize,
}

impl Grid {
    /// The tokens over features of so many rows and columns.
    pub fn over(features: [usize; 2]) -> Self {
        let [rows, columns] = fold::patches(features);
        Self { rows, columns }
    }

    pub fn tokens(self) -> usize {
        self.rows * self.columns
    }

    /// Rows and columns of windows.
    fn windows(self) -> [usize; 2] {
        [
            self.rows.div_ceil(WINDOW[0]),
            self.columns.div_ceil(WINDOW[1]),
        ]
    }

    /// Rows and columns of tokens, padded to whole windows.
    fn padded(self) -> [usize; 2] {
        let [rows, columns] = self.windows();
        [rows * WINDOW[0], columns * WINDOW[1]]
    }

    /// Rows and columns of pooled tokens.
    pub fn pooled(self) -> [usize; 2] {
        self.padded().map(|side| side / POOL)
    }

    /// The token at a padded place; `None` in the padding.
    fn token(self, [row, column]: [usize; 2]) -> Option<usize> {
        (row < self.rows && column < self.columns).then_some(row * self.columns + column)
    }

    /// All tokens.
    pub fn whole(self) -> Area {
        Area::whole([self.rows, self.columns])
    }

    /// The padded places of a window, row-major.
    fn places(self, window: usize) -> impl Iterator<Item = [usize; 2]> + Clone {
        let across = self.windows()[1];
        let top = window / across * WINDOW[0];
        let left = window % across * WINDOW[1];
        (0..WINDOW[0]).flat_map(move |r| (0..WINDOW[1]).map(move |c| [top + r, left + c]))
    }

    /// The padded places rolled in from around a window: those that the four rolls of the
    /// padded grid put into the window and that are not its own.
    fn around(self, window: usize) -> impl Iterator<Item = [usize; 2]> {
        let padded = self.padded();
        let signs = [[true, true], [true, false], [false, true], [false, false]];
        let indices = (0..WINDOW[0]).flat_map(|r| (0..WINDOW[1]).map(move |c| [r, c]));
        signs.into_iter().flat_map(move |sign| {
            let places = self.places(window).zip(indices.clone());
            places.filter_map(move |(place, index)| {
                let axis = |i: usize| {
                    // A roll by −3 brings in what lies 3 further on.
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

/// Tokens that see a hole of any local frame in their 7×7 patch, from masks
/// `[frames, H/4, W/4]`.
pub fn token_holes(masks: &[f32], [height, width]: [usize; 2]) -> Vec<bool> {
    let grid = Grid::over([height, width]);
    let mut holes = vec![false; grid.tokens()];
    for p in 0..height * width {
        if masks[p..].iter().step_by(height * width).any(|&m| m > 0.0) {
            for row in fold::covering(p / width, grid.rows) {
                let columns = fold::covering(p % width, grid.columns);
                holes[row * grid.columns..][columns].fill(true);
            }
        }
    }
    holes
}

/// Rows of a block's tables that its attention reads, window by window.
///
/// Queries are rows (query frame, token asked about). Keys and values are computed once for every
/// pooled token of the key frames, one padding token, and the tokens `key_tokens`, in this order;
/// keys are rows of that table.
#[derive(Debug)]
pub struct Plan {
    /// Rows (frame, token) of the block's input.
    pub key_tokens: Vec<usize>,
    pub parts: Vec<Part>,
    /// For every query, its row among the answers of all parts.
    pub answers: Vec<usize>,
}

/// Windows with as many queries and keys each, answered at once. Lists are window after window.
#[derive(Debug, Default)]
pub struct Part {
    pub windows: usize,
    pub queries: Vec<usize>,
    /// Empty where no frame gives keys: the answer is zero.
    pub keys: Vec<usize>,
}

/// What a block works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Frames of the input.
    pub frames: usize,
    /// Frames that the block's output holds, ascending.
    pub queries: Vec<usize>,
    /// Tokens of those that the output holds.
    pub tokens: Area,
    /// Frames whose keys count in masked windows, ascending.
    pub keys: Vec<usize>,
}

impl Plan {
    /// `holes`: the tokens that see a hole. A window with one is masked: queries of all query
    /// frames meet the keys of all key frames, with what lies around and the pooled tokens.
    /// In the others each frame is by itself.
    pub fn new(grid: Grid, roles: &Roles, holes: &[bool]) -> Self {
        let [pooled_rows, pooled_columns] = grid.pooled();
        let pooled = roles.keys.len() * pooled_rows * pooled_columns;
        let mut table = KeyTable::new(grid, roles.frames, pooled);
        let mut builder = Builder::new(grid, roles);
        let [down, across] = grid.windows();
        let masked = |window: &usize| {
            let mut tokens = grid.places(*window).filter_map(|place| grid.token(place));
            tokens.any(|token| holes[token])
        };
        let windows = (0..down * across).filter(|window| {
            let mut places = grid.places(*window);
            places.any(|place| roles.tokens.index(place).is_some())
        });
        let (together, alone): (Vec<_>, Vec<_>) = windows.partition(masked);
        for window in alone {
            for (query, &frame) in roles.queries.iter().enumerate() {
                let keys = grid.places(window).map(|place| table.row(frame, place));
                builder.add(window, query..query + 1, keys.collect());
            }
        }
        builder.close();
        for window in together {
            let mut keys: Vec<_> = (0..pooled).collect();
            for &frame in &roles.keys {
                let places = grid.places(window).chain(grid.around(window));
                keys.extend(places.map(|place| table.row(frame, place)));
            }
            builder.add(window, 0..roles.queries.len(), keys);
        }
        builder.close();
        Self {
            key_tokens: table.tokens,
            parts: builder.parts,
            answers: builder.answers,
        }
    }
}

/// Hands out rows of the key table on first use.
struct KeyTable {
    grid: Grid,
    padding: usize,
    rows: Vec<Option<usize>>,
    tokens: Vec<usize>,
}

impl KeyTable {
    fn new(grid: Grid, frames: usize, pooled: usize) -> Self {
        Self {
            grid,
            padding: pooled,
            rows: vec![None; frames * grid.tokens()],
            tokens: Vec::new(),
        }
    }

    fn row(&mut self, frame: usize, place: [usize; 2]) -> usize {
        let Some(token) = self.grid.token(place) else {
            return self.padding;
        };
        let token = frame * self.grid.tokens() + token;
        *self.rows[token].get_or_insert_with(|| {
            self.tokens.push(token);
            self.padding + self.tokens.len()
        })
    }
}

/// Collects windows into parts.
struct Builder<'a> {
    grid: Grid,
    /// The tokens that are asked about.
    tokens: &'a Area,
    parts: Vec<Part>,
    open: Part,
    answers: Vec<usize>,
    answered: usize,
}

impl<'a> Builder<'a> {
    fn new(grid: Grid, roles: &'a Roles) -> Self {
        Self {
            grid,
            tokens: &roles.tokens,
            parts: Vec::new(),
            open: Part::default(),
            answers: vec![0; roles.queries.len() * roles.tokens.pixels()],
            answered: 0,
        }
    }

    /// A window's queries of the query frames `frames` against `keys`.
    fn add(&mut self, window: usize, frames: Range<usize>, keys: Vec<usize>) {
        for frame in frames {
            for place in self.grid.places(window) {
                // The others ask in the name of the first query; nobody reads the answer.
                let token = self.tokens.index(place);
                let query = token.map(|token| frame * self.tokens.pixels() + token);
                if let Some(query) = query {
                    self.answers[query] = self.answered;
                }
                self.open.queries.push(query.unwrap_or(0));
                self.answered += 1;
            }
        }
        self.open.windows += 1;
        self.open.keys.extend(keys);
        if self.open.keys.len() >= KEYS_AT_ONCE {
            self.close();
        }
    }

    fn close(&mut self) {
        if self.open.windows > 0 {
            self.parts.push(mem::take(&mut self.open));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(grid: Grid, frames: usize, queries: &[usize], keys: &[usize]) -> Roles {
        Roles {
            frames,
            queries: queries.to_vec(),
            tokens: grid.whole(),
            keys: keys.to_vec(),
        }
    }

    #[test]
    fn a_token_sees_holes_of_its_patch_only() {
        let features = [10, 13];
        let grid = Grid::over(features);
        for hole in 0..10 * 13 {
            let mut masks = vec![0.0; 2 * 10 * 13];
            masks[10 * 13 + hole] = 1.0;
            let holes = token_holes(&masks, features);
            for (token, &sees) in holes.iter().enumerate() {
                let near = |pixel: usize, token: usize| (3 * token).abs_diff(pixel) <= 3;
                let expected =
                    near(hole / 13, token / grid.columns) && near(hole % 13, token % grid.columns);
                assert_eq!(sees, expected, "hole {hole}, token {token}");
            }
        }
    }

    #[test]
    fn every_query_is_answered_by_its_own_row() {
        for features in [[2, 2], [30, 26], [32, 40], [60, 108]] {
            let grid = Grid::over(features);
            let holes: Vec<_> = (0..grid.tokens()).map(|token| token % 97 == 5).collect();
            let plan = Plan::new(grid, &roles(grid, 4, &[0, 1, 3], &[1, 3]), &holes);
            let asked: Vec<_> = plan.parts.iter().flat_map(|part| &part.queries).collect();
            assert_eq!(plan.answers.len(), 3 * grid.tokens());
            for (query, &answer) in plan.answers.iter().enumerate() {
                assert_eq!(*asked[answer], query);
            }
        }
    }

    #[test]
    fn tokens_that_nobody_reads_are_not_asked_about() {
        let grid = Grid::over([60, 108]); // 20×36 tokens, windows of 5×9
        let holes: Vec<_> = (0..grid.tokens()).map(|token| token % 97 == 5).collect();
        let tokens = Area::of([3..7, 10..19]); // of four windows
        let roles = Roles {
            tokens: tokens.clone(),
            ..roles(grid, 3, &[0, 2], &[1])
        };
        let plan = Plan::new(grid, &roles, &holes);
        let asked: Vec<_> = plan.parts.iter().flat_map(|part| &part.queries).collect();
        assert_eq!(asked.len(), 4 * 45 * 2);
        assert_eq!(plan.answers.len(), 2 * 4 * 9);
        for (query, &answer) in plan.answers.iter().enumerate() {
            assert_eq!(*asked[answer], query);
        }
    }

    #[test]
    fn a_masked_window_reads_its_frames_around_and_pooled() {
        let grid = Grid::over([60, 108]); // 20×36 tokens, 16 windows, 45 pooled
        let mut holes = vec![false; grid.tokens()];
        holes[7 * 36 + 10] = true; // in window 5
        let plan = Plan::new(grid, &roles(grid, 5, &[0, 1], &[0, 2, 4]), &holes);
        let last = plan.parts.last().unwrap();
        assert_eq!((last.windows, last.queries.len()), (1, 2 * 45));
        assert_eq!(last.keys.len(), 3 * (45 + 148 + 45));
        let alone: usize = plan.parts.iter().map(|part| part.windows).sum();
        assert_eq!(alone - 1, 15 * 2);
        // Of the frames without queries only what the masked window reads.
        let idle = plan.key_tokens.iter().filter(|&&row| row >= 2 * 720);
        assert_eq!(idle.count(), 2 * (45 + 148));
    }

    #[test]
    fn what_lies_around_is_what_the_rolled_grid_brings_in() {
        let grid = Grid::over([44, 50]); // padded to 15×18
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

    #[test]
    fn without_key_frames_masked_windows_have_no_keys() {
        let grid = Grid::over([30, 26]);
        let plan = Plan::new(grid, &roles(grid, 1, &[0], &[]), &vec![true; grid.tokens()]);
        assert!(plan.parts.iter().all(|part| part.keys.is_empty()));
        assert!(plan.key_tokens.is_empty());
    }
}
