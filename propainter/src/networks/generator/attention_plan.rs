//! The rows of the tables that the window attention reads, in integers (spec section 6).

use std::{mem, ops::Range};

use super::token_grid::TokenGrid;
use crate::{Rect, kernels::attention::windows::WindowLists};

/// Most keys that are gathered at once: 32 MB of keys and as much of values at 512 channels.
pub const KEYS_AT_ONCE: usize = 1 << 14;

/// The rows of a block's tables that its attention reads, window by window.
///
/// Queries are rows (query frame, queried token). Keys and values are computed once for each pooled
/// token of the key frames, one padding token, and the tokens `key_tokens`, in this order; keys are
/// rows of that table.
#[derive(Debug)]
pub struct AttentionPlan {
    /// The rows (frame, token) of the block's input that keys are computed from.
    pub key_tokens: Vec<usize>,
    /// All windows, in batches.
    pub batches: Vec<WindowBatch>,
    /// For each query, its row among the results of all batches.
    pub answers: Vec<usize>,
}

/// Windows with the same number of queries and of keys, computed at once. The lists go window after
/// window.
#[derive(Debug, Default)]
pub struct WindowBatch {
    /// The number of windows.
    pub windows: usize,
    /// The rows of the queries.
    pub queries: Vec<usize>,
    /// The rows of the keys; empty if no frame has keys, and the result is zero.
    pub keys: Vec<usize>,
}

/// The frames and tokens that a transformer block reads and computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockScope {
    /// The number of frames of the input.
    pub frames: usize,
    /// The frames of the output, ascending.
    pub queries: Vec<usize>,
    /// The tokens of those frames in the output.
    pub tokens: Rect,
    /// The frames that masked windows take keys from, ascending.
    pub keys: Vec<usize>,
}

impl AttentionPlan {
    /// Plans the attention of a block. `masked` says for each token whether its patch contains mask
    /// pixels. A window with such a token is masked: the queries of all query frames attend to the keys
    /// of all key frames, to the tokens around the window, and to the pooled tokens. In the other
    /// windows each frame attends to itself.
    pub fn new(grid: TokenGrid, scope: &BlockScope, masked: &[bool]) -> Self {
        let [pooled_rows, pooled_columns] = grid.pooled();
        let pooled = scope.keys.len() * pooled_rows * pooled_columns;
        let mut table = KeyTable::new(grid, scope.frames, pooled);
        let mut builder = PlanBuilder::new(grid, scope);
        let (joint, separate) = windows(grid, scope, masked);
        for window in separate {
            for (query, &frame) in scope.queries.iter().enumerate() {
                let keys = grid.places(window).map(|place| table.row(frame, place));
                builder.add(window, query..query + 1, keys.collect());
            }
        }
        builder.close();
        for window in joint {
            let mut keys: Vec<_> = (0..pooled).collect();
            for &frame in &scope.keys {
                let places = grid.places(window).chain(grid.around(window));
                keys.extend(places.map(|place| table.row(frame, place)));
            }
            builder.add(window, 0..scope.queries.len(), keys);
        }
        builder.close();
        Self {
            key_tokens: table.tokens,
            batches: builder.batches,
            answers: builder.answers,
        }
    }
}

/// Returns the windows with queried tokens: those that contain mask pixels, and the others.
fn windows(grid: TokenGrid, scope: &BlockScope, masked: &[bool]) -> (Vec<usize>, Vec<usize>) {
    let [down, across] = grid.windows();
    let is_masked = |window: &usize| {
        let mut tokens = grid.places(*window).filter_map(|place| grid.token(place));
        tokens.any(|token| masked[token])
    };
    let windows = (0..down * across).filter(|window| {
        let mut places = grid.places(*window);
        places.any(|place| scope.tokens.index(place).is_some())
    });
    windows.partition(is_masked)
}

/// Plans the attention of a block as [`AttentionPlan::new`] does, for a kernel that reads queries,
/// keys and values from one table: the tokens of all frames, one padding token, and the pooled tokens
/// of the key frames. The results are rows (query frame, queried token).
pub fn window_lists(grid: TokenGrid, scope: &BlockScope, masked: &[bool]) -> WindowLists {
    let [pooled_rows, pooled_columns] = grid.pooled();
    let padding = scope.frames * grid.tokens();
    let pooled = scope.keys.len() * pooled_rows * pooled_columns;
    let row = |frame: usize, place| {
        let token = grid.token(place);
        token.map_or(padding, |token| frame * grid.tokens() + token)
    };
    let queries = |window: usize, query: usize| {
        let frame = scope.queries[query];
        let results = query * scope.tokens.pixels();
        grid.places(window).filter_map(move |place| {
            let result = scope.tokens.index(place)?;
            Some((row(frame, place), results + result))
        })
    };
    let (joint, separate) = windows(grid, scope, masked);
    let mut lists = WindowLists::default();
    for window in joint {
        let asked = (0..scope.queries.len()).flat_map(|query| queries(window, query));
        let own = scope.keys.iter().flat_map(|&frame| {
            let places = grid.places(window).chain(grid.around(window));
            places.map(move |place| row(frame, place))
        });
        lists.add(asked, (padding + 1..padding + 1 + pooled).chain(own));
    }
    for window in separate {
        for (query, &frame) in scope.queries.iter().enumerate() {
            let keys = grid.places(window).map(|place| row(frame, place));
            lists.add(queries(window, query), keys);
        }
    }
    lists
}

/// The table of keys. A token gets a row when it is first used.
struct KeyTable {
    grid: TokenGrid,
    padding: usize,
    rows: Vec<Option<usize>>,
    tokens: Vec<usize>,
}

impl KeyTable {
    fn new(grid: TokenGrid, frames: usize, pooled: usize) -> Self {
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

/// Collects windows into batches.
struct PlanBuilder<'a> {
    grid: TokenGrid,
    /// The queried tokens.
    tokens: &'a Rect,
    batches: Vec<WindowBatch>,
    open: WindowBatch,
    answers: Vec<usize>,
    answered: usize,
}

impl<'a> PlanBuilder<'a> {
    fn new(grid: TokenGrid, scope: &'a BlockScope) -> Self {
        Self {
            grid,
            tokens: &scope.tokens,
            batches: Vec::new(),
            open: WindowBatch::default(),
            answers: vec![0; scope.queries.len() * scope.tokens.pixels()],
            answered: 0,
        }
    }

    /// Adds a window: its queries of the query frames `frames`, and `keys`.
    fn add(&mut self, window: usize, frames: Range<usize>, keys: Vec<usize>) {
        for frame in frames {
            for place in self.grid.places(window) {
                // Tokens that are not queried repeat the first query; the result is not read.
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

    /// Completes the open batch.
    fn close(&mut self) {
        if self.open.windows > 0 {
            self.batches.push(mem::take(&mut self.open));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(grid: TokenGrid, frames: usize, queries: &[usize], keys: &[usize]) -> BlockScope {
        BlockScope {
            frames,
            queries: queries.to_vec(),
            tokens: grid.whole(),
            keys: keys.to_vec(),
        }
    }

    #[test]
    fn every_query_is_answered_by_its_own_row() {
        for features in [[2, 2], [30, 26], [32, 40], [60, 108]] {
            let grid = TokenGrid::over(features);
            let masked: Vec<_> = (0..grid.tokens()).map(|token| token % 97 == 5).collect();
            let plan = AttentionPlan::new(grid, &scope(grid, 4, &[0, 1, 3], &[1, 3]), &masked);
            let rows: Vec<_> = plan
                .batches
                .iter()
                .flat_map(|batch| &batch.queries)
                .collect();
            assert_eq!(plan.answers.len(), 3 * grid.tokens());
            for (query, &answer) in plan.answers.iter().enumerate() {
                assert_eq!(*rows[answer], query);
            }
        }
    }

    #[test]
    fn tokens_that_are_never_read_are_not_queried() {
        let grid = TokenGrid::over([60, 108]); // 20×36 tokens, windows of 5×9
        let masked: Vec<_> = (0..grid.tokens()).map(|token| token % 97 == 5).collect();
        let tokens = Rect::new([3..7, 10..19]); // of four windows
        let scope = BlockScope {
            tokens: tokens.clone(),
            ..scope(grid, 3, &[0, 2], &[1])
        };
        let plan = AttentionPlan::new(grid, &scope, &masked);
        let rows: Vec<_> = plan
            .batches
            .iter()
            .flat_map(|batch| &batch.queries)
            .collect();
        assert_eq!(rows.len(), 4 * 45 * 2);
        assert_eq!(plan.answers.len(), 2 * 4 * 9);
        for (query, &answer) in plan.answers.iter().enumerate() {
            assert_eq!(*rows[answer], query);
        }
    }

    #[test]
    fn a_masked_window_reads_its_frames_around_and_pooled() {
        let grid = TokenGrid::over([60, 108]); // 20×36 tokens, 16 windows, 45 pooled
        let mut masked = vec![false; grid.tokens()];
        masked[7 * 36 + 10] = true; // in window 5
        let plan = AttentionPlan::new(grid, &scope(grid, 5, &[0, 1], &[0, 2, 4]), &masked);
        let last = plan.batches.last().unwrap();
        assert_eq!((last.windows, last.queries.len()), (1, 2 * 45));
        assert_eq!(last.keys.len(), 3 * (45 + 148 + 45));
        let windows: usize = plan.batches.iter().map(|batch| batch.windows).sum();
        assert_eq!(windows - 1, 15 * 2);
        // Of the frames without queries, only the tokens that the masked window reads.
        let idle = plan.key_tokens.iter().filter(|&&row| row >= 2 * 720);
        assert_eq!(idle.count(), 2 * (45 + 148));
    }

    #[test]
    fn without_key_frames_masked_windows_have_no_keys() {
        let grid = TokenGrid::over([30, 26]);
        let plan = AttentionPlan::new(grid, &scope(grid, 1, &[0], &[]), &vec![true; grid.tokens()]);
        assert!(plan.batches.iter().all(|batch| batch.keys.is_empty()));
        assert!(plan.key_tokens.is_empty());
    }
}
