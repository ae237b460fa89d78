//! A network's parameters with their optimiser, schedule and loss scale, and how they are stored.

use std::collections::BTreeMap;

use propainter::DType;

use crate::{
    checkpoint::OptimizerRecord,
    networks::Computing,
    optimizer::{Adam, AdamSettings, LossScale, MultiStep, TooManySkips},
    parameters::{Gradients, Parameters},
};

/// How a training learns.
#[derive(Clone, Debug)]
pub struct Learning {
    /// Parameters that stay as they are, as [`AdamSettings::held`] names them.
    pub held: Vec<String>,
    /// The learning rates.
    pub schedule: MultiStep,
    /// How the trained network is computed. In fp16 the losses are scaled.
    pub computing: Computing,
}

impl Learning {
    /// Returns the loss scale at the start.
    pub(super) fn scale(&self) -> LossScale {
        match self.computing.numbers {
            DType::F16 => LossScale::dynamic(),
            _ => LossScale::off(),
        }
    }
}

/// The optimiser of a network.
#[derive(Clone, Debug)]
pub(super) struct Optimisation {
    adam: Adam,
    settings: AdamSettings,
    schedule: MultiStep,
    pub scale: LossScale,
}

impl Optimisation {
    /// Begins with no step taken.
    pub fn new(learning: &Learning) -> Self {
        let settings = AdamSettings {
            held: learning.held.clone(),
            ..AdamSettings::default()
        };
        Self {
            adam: Adam::new(settings.clone()),
            settings,
            schedule: learning.schedule.clone(),
            scale: learning.scale(),
        }
    }

    /// Returns whether the parameter `key` is trained.
    pub fn trains(&self, key: &str) -> bool {
        !self.settings.holds(key)
    }

    /// Returns the number of steps taken.
    pub fn steps(&self) -> u64 {
        self.adam.steps()
    }

    /// Returns the gradients of a whole step without the scale; `None` if they are not finite.
    ///
    /// # Errors
    /// Too many steps in a row had such gradients.
    pub fn unscale(&mut self, gradients: Gradients) -> Result<Option<Gradients>, TooManySkips> {
        self.scale.unscale(gradients)
    }

    /// Takes a step along finite gradients.
    pub fn step(&mut self, parameters: &mut Parameters, gradients: &Gradients) {
        let rate = self.schedule.rate(self.steps());
        self.adam.step(parameters, gradients, rate);
    }

    /// Returns what a checkpoint keeps.
    pub fn record(&self) -> OptimizerRecord {
        OptimizerRecord {
            adam: self.adam.state(),
            gradients: BTreeMap::new(),
            schedule: self.schedule.clone(),
            finished: self.steps(),
            scale: Some(self.scale.state()),
        }
    }

    /// Goes on from a checkpoint, beside the parameters on their device.
    pub fn resume(&mut self, record: OptimizerRecord, parameters: &Parameters) {
        self.adam = Adam::resume(self.settings.clone(), record.adam, parameters);
        self.schedule = record.schedule;
        if let Some(state) = record.scale {
            self.scale = self.scale.clone().resume(state);
        }
    }
}
