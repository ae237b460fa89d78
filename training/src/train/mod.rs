//! Both trainings, put together.
//!
//! - [`batch`]: samples as tensors
//! - [`flow_completion`], [`generator`]: a step of each training
//! - [`settings`], [`setup`]: the settings of a run, and the run from them

pub mod batch;
pub mod flow_completion;
pub mod generator;
mod membrane;
mod optimisation;
pub mod settings;
pub mod setup;

pub use self::{
    flow_completion::FlowCompletionTrainer,
    generator::{GeneratorPart, GeneratorTrainer},
    optimisation::Learning,
    settings::{Kind, Settings, SetupError},
    setup::{resume, start},
};
