//! What can go wrong at the session's door.

use thiserror::Error;

use crate::weights::WeightsError;

/// An error of the engine. Every message names the thing and what to do.
#[derive(Debug, Error)]
pub enum Error {
    /// A setting is out of its range.
    #[error("{name}: {problem}")]
    Setting { name: &'static str, problem: String },

    #[error(transparent)]
    Weights(#[from] WeightsError),

    /// The chosen device cannot be opened.
    #[error("device {device}: {problem}")]
    Device { device: String, problem: String },

    /// A frame or mask does not have the size the session was opened with.
    #[error("{what} is {got:?}, the session was opened for {expected:?} (width, height)")]
    Size {
        what: &'static str,
        got: (usize, usize),
        expected: (usize, usize),
    },

    /// The device failed while computing; the session needs a flush.
    #[error("the device failed in {stage}: {problem}")]
    Compute {
        stage: &'static str,
        problem: String,
    },

    /// The cancel token was set; the session needs a flush.
    #[error("cancelled")]
    Cancelled,
}
