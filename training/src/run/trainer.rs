//! What a training is to a run.

use std::{error::Error, path::Path};

use propainter::Frame;

use crate::data::Sample;

/// Losses by name, in the order in which they are shown.
pub type Losses = Vec<(&'static str, f64)>;

/// What became of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The parameters were changed.
    Done(Losses),
    /// Nothing was changed, for the reason that is told.
    Skipped(String),
}

/// What the networks make of a sample.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The filled local frames; outside the holes they are the true ones. None if the training does not
    /// fill frames.
    pub filled: Vec<Frame>,
    /// Measures of the training's own.
    pub measures: Losses,
}

/// An error of a training.
pub type TrainError = Box<dyn Error + Send + Sync>;

/// A training. After an error its state may be anything; the run then ends.
pub trait Trainer {
    /// Returns the name on the command line.
    fn name(&self) -> &'static str;

    /// Makes a step. If a loss is not finite, it is skipped: networks, optimisers and schedules stay
    /// as they were.
    ///
    /// # Errors
    /// The device fails, or has too little memory.
    fn step(&mut self, samples: &[Sample]) -> Result<Step, TrainError>;

    /// Takes the remarks on the steps since the last call.
    fn notices(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Fills a sample; nothing is changed.
    ///
    /// # Errors
    /// The device fails, or has too little memory.
    fn evaluate(&self, sample: &Sample) -> Result<Evaluation, TrainError>;

    /// Writes everything that a later step depends on into files of `folder` that bear the number
    /// `step`, each of which appears complete or not at all, and then makes it the latest step.
    ///
    /// # Errors
    /// A file cannot be written.
    fn save(&self, folder: &Path, step: u64) -> Result<(), TrainError>;

    /// Goes on from the files of [`save`](Self::save).
    ///
    /// # Errors
    /// A file is missing, damaged or of another network.
    fn load(&mut self, folder: &Path, step: u64) -> Result<(), TrainError>;
}

/// Returns why a step with these losses must be skipped, if one is not finite.
pub fn not_finite(losses: &Losses) -> Option<String> {
    let (name, value) = losses.iter().find(|(_, value)| !value.is_finite())?;
    Some(format!("the loss {name} is {value}"))
}
