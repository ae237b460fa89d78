//! The errors of a session.

use std::any::Any;

use thiserror::Error;

use crate::{stage::Stage, weights::WeightsError};

/// An error of the engine. Every message names the cause and the remedy.
#[derive(Debug, Error)]
pub enum Error {
    /// A setting is out of its range.
    #[error("{name}: {problem}")]
    Setting { name: &'static str, problem: String },

    /// A checkpoint is missing or wrong.
    #[error(transparent)]
    Weights(#[from] WeightsError),

    /// The chosen device cannot be opened.
    #[error("device {device}: {problem}")]
    Device { device: String, problem: String },

    /// A frame or mask does not have the size that the session was opened with.
    #[error(
        "{what} has the size {got:?}, but the session was opened for {expected:?} (width, height)"
    )]
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

    /// No plan fits the budget, not even at the lowest quality allowed.
    #[error(
        "{property} is {budget} bytes, but the smallest plan for {width}x{height} needs {needed}; \
         raise it, allow more in allow-degradation, or set a smaller width and height"
    )]
    Budget {
        /// The property that is too small.
        property: &'static str,
        budget: u64,
        needed: u64,
        width: usize,
        height: usize,
    },

    /// The device has no memory left, or uses more than the budget. The engine continues with a
    /// smaller plan as long as there is one.
    #[error("{stage} is out of memory: {problem}")]
    OutOfMemory { stage: Stage, problem: String },

    /// The cancel token was set; the session needs a flush.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// Converts the payload of a panic of the tensor library.
    pub(crate) fn from_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Self::Compute {
            stage: "the engine",
            problem: text.unwrap_or("a panic without a message").to_owned(),
        }
    }
}
