//! The place that the weights of a session come from.

use std::path::Path;

use super::{Checkpoint, Network, Paths, WeightsError, find};

/// The place that the weights of the three networks come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeightsSource {
    /// Three files.
    Files(Paths),
    /// The rule of [`Checkpoint::generated`].
    Generated,
}

impl WeightsSource {
    /// Finds the three files, as [`find()`] does; no files if the weights are `generated`.
    ///
    /// # Errors
    /// As [`find()`].
    pub fn find(folder: Option<&Path>, generated: bool) -> Result<Self, WeightsError> {
        match generated {
            true => Ok(Self::Generated),
            false => find(folder).map(Self::Files),
        }
    }

    /// Reads and checks the checkpoint of `network`.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn read(&self, network: Network) -> Result<Checkpoint, WeightsError> {
        match self {
            Self::Files(paths) => Checkpoint::read(network, paths.get(network)),
            Self::Generated => Ok(Checkpoint::generated(network)),
        }
    }
}
