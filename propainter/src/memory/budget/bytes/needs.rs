//! The result of the byte model.

use super::Pages;
use crate::memory::Stage;

/// The most memory that a stream takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// On the device while the checkpoints are read.
    pub loading: u64,
    /// On the device in each stage, in the order of [`Stage::ALL`].
    pub stages: [u64; Stage::ALL.len()],
    /// On the host for everything held; on the CPU device this is part of the above.
    pub host: u64,
    /// On a GPU for the caller's frames.
    pub outside: u64,
    /// The largest single allocation on a GPU.
    pub largest: u64,
    /// On a GPU for the weights, the context and all pages of the pools.
    pub reserved: u64,
    /// The pages that a GPU's pools share out.
    pub pages: Pages,
}

impl Needs {
    /// Returns the bytes on the device at most.
    pub fn device(&self) -> u64 {
        let stages = self.stages.into_iter().fold(self.loading, u64::max);
        stages.max(self.reserved) + self.outside
    }

    /// Returns whether these needs are at most `others` in every stage, on the host and in their
    /// largest allocation.
    pub fn within(&self, others: &Self) -> bool {
        let mut stages = self.stages.iter().zip(&others.stages);
        let stages = stages.all(|(own, other)| own <= other);
        stages && self.host <= others.host && self.largest <= others.largest
    }
}
