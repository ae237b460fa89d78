//! Both trainings, put together.
//!
//! - [`batch`]: samples as tensors
//! - [`flow_completion`], [`generator`]: a step of each training
//! - [`setup`]: a run from its settings

pub mod batch;
pub mod flow_completion;
pub mod generator;
mod membrane;
mod optimisation;
pub mod setup;

pub use self::{
    flow_completion::FlowCompletionTrainer,
    generator::{GeneratorPart, GeneratorTrainer},
    optimisation::Learning,
    setup::{Kind, Settings, SetupError, resume, start},
};
