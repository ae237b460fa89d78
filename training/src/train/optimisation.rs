//! A network's parameters with their optimiser, schedule and loss scale, and how they are stored.

use std::collections::BTreeMap;

use burn::tensor::Device;

use crate::{
    checkpoint::OptimizerRecord,
    optimizer::{Adam, AdamSettings, LossScale, MultiStep, TooManySkips},
    parameters::{Gradients, Parameters},
};

/// The optimiser of a network.
#[derive(Clone, Debug)]
pub(super) struct Optimisation {
    adam: Adam,
    settings: AdamSettings,
    schedule: MultiStep,
    pub scale: LossScale,
}

impl Optimisation {
    /// Begins with no step taken; the parameters `held` stay as they are.
    pub fn new(held: &[String], schedule: MultiStep) -> Self {
        let settings = AdamSettings {
            held: held.to_vec(),
            ..AdamSettings::default()
        };
        Self {
            adam: Adam::new(settings.clone()),
            settings,
            schedule,
            scale: LossScale::off(),
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
            self.scale = LossScale::off().resume(state);
        }
    }
}

/// Returns the device that records what is computed on `device`.
pub(super) fn recording(device: &Device) -> Device {
    device.clone().autodiff()
}
