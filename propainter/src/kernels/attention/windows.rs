//! The windows of an attention, as lists of rows of a table.

use std::cmp::Reverse;

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Most queries of a job.
pub(super) const TILE: usize = 32;

/// Windows, as lists of rows. Their number of queries and of keys may differ.
#[derive(Debug, Default)]
pub struct WindowLists {
    /// For each cube: where in `rows` its queries start, how many there are (at most [`TILE`]), where
    /// its keys start, and how many there are.
    jobs: Vec<[usize; 4]>,
    /// Queries, each with the row of its result, and keys.
    rows: Vec<i32>,
    /// Pairs of a query and a key.
    pairs: usize,
}

impl WindowLists {
    /// Adds a window.
    ///
    /// - `queries`: rows of the table, each with the row of its result
    /// - `keys`: rows of the table; if there are none, the results are zero
    pub fn add(
        &mut self,
        queries: impl Iterator<Item = (usize, usize)>,
        keys: impl Iterator<Item = usize>,
    ) {
        let first = self.rows.len();
        self.rows
            .extend(queries.flat_map(|(query, result)| [query as i32, result as i32]));
        let start = self.rows.len();
        self.rows.extend(keys.map(|key| key as i32));
        let (queries, keys) = ((start - first) / 2, self.rows.len() - start);
        self.pairs += queries * keys;
        for done in (0..queries).step_by(TILE) {
            let count = TILE.min(queries - done);
            self.jobs.push([first + 2 * done, count, start, keys]);
        }
    }

    /// Returns the number of jobs, and jobs and rows as one list.
    fn packed(&self) -> Vec<i32> {
        let head = 4 * self.jobs.len();
        // The job with the most keys runs first.
        let mut jobs = self.jobs.clone();
        jobs.sort_by_key(|job| Reverse(job[1] * job[3]));
        let jobs = jobs.iter().flat_map(|&[queries, count, keys, length]| {
            [head + queries, count, head + keys, length].map(|value| value as i32)
        });
        jobs.chain(self.rows.iter().copied()).collect()
    }
}

/// [`WindowLists`] on a device.
#[derive(Clone, Debug)]
pub struct DeviceWindowLists {
    /// Jobs, four numbers each, then rows.
    pub(super) list: Tensor<1, Int>,
    pub(super) jobs: usize,
    pub(super) pairs: usize,
}

impl DeviceWindowLists {
    /// Moves lists to a device.
    pub fn new(lists: &WindowLists, device: &Device) -> Self {
        let list = lists.packed();
        let length = list.len();
        Self {
            list: Tensor::from_data(TensorData::new(list, [length]), device),
            jobs: lists.jobs.len(),
            pairs: lists.pairs,
        }
    }
}
