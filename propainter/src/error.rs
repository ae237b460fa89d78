//! The errors of a session.

use std::any::Any;

use thiserror::Error;

use crate::{stage::Stage, weights::WeightsError};

/// An error of the engine. Every message names the cause and the remedy.
#[derive(Debug, Error)]
pub enum Error {
    /// A setting is out of its range.
    #[error("{name}: {problem}")]
    Setting {
        /// The name of the property or environment variable.
        name: &'static str,
        /// The reason why the value is not accepted.
        problem: String,
    },

    /// A checkpoint is missing or wrong.
    #[error(transparent)]
    Weights(#[from] WeightsError),

    /// The chosen device cannot be opened.
    #[error("device {device}: {problem}")]
    Device {
        /// The device's name, as [`DeviceChoice`](crate::DeviceChoice) writes it.
        device: String,
        /// The reason why it cannot be opened.
        problem: String,
    },

    /// A frame or mask does not have the size that the session was opened with.
    #[error(
        "{what} has the size {got:?}, but the session was opened for {expected:?} (width, height)"
    )]
    Size {
        /// The input of the wrong size, as a noun with its article.
        what: &'static str,
        /// The size of the input in pixels, (width, height).
        got: (usize, usize),
        /// The size that the session was opened with in pixels, (width, height).
        expected: (usize, usize),
    },

    /// The device failed while computing; the session needs a flush.
    #[error("the device failed in {stage}: {problem}")]
    Compute {
        /// The part of the work that failed, as a noun.
        stage: &'static str,
        /// The message of the device or of the tensor library.
        problem: String,
    },

    /// The device failed so that this process cannot use it again: its context is lost.
    #[error(
        "the GPU failed and this program cannot use it again ({problem}); restart the program, or set \
         device=cpu"
    )]
    DeviceLost {
        /// The message of the device.
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
        /// The budget in bytes.
        budget: u64,
        /// The bytes that the smallest plan needs.
        needed: u64,
        /// The width in pixels at which the smallest need was computed.
        width: usize,
        /// The height in pixels at which the smallest need was computed.
        height: usize,
    },

    /// The device has no memory left, or uses more than the budget. The engine continues with a
    /// smaller plan as long as there is one.
    #[error("{stage} is out of memory: {problem}")]
    OutOfMemory {
        /// The stage that needed the memory.
        stage: Stage,
        /// The message of the device, or the bytes in use and the bytes allowed.
        problem: String,
    },

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
