//! Steps of both trainings (spec: training, sections 3 and 6, and accumulation in section 8).
//!
//! A step's clips come as micro-batches. Each has losses of its own, normalised by its own holes; the
//! gradients of their mean are applied at once.

mod flow_completion;
mod generator;
mod saving;

use thiserror::Error;

use crate::optimizer::TooManySkips;

pub use flow_completion::{FlowBatch, FlowCompletionTraining};
pub use generator::{Composed, GeneratorBatch, GeneratorStep, GeneratorTraining};

/// An error of a step, after which the training's state may be anything.
#[derive(Debug, Error)]
pub enum StepError {
    /// The device failed.
    #[error(transparent)]
    Compute(#[from] propainter::Error),
    /// Gradients were not finite for too many steps in a row.
    #[error("{network}: {source}")]
    Skips {
        /// The network that is trained.
        network: &'static str,
        /// The error.
        source: TooManySkips,
    },
}
