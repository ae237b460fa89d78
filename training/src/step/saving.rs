//! What trainings save and go on from.

use std::collections::BTreeMap;

use burn::tensor::Device;
use propainter::weights::{Network, WeightsError};

use super::{FlowCompletionTraining, GeneratorTraining};
use crate::{
    checkpoint::{OptimizerRecord, Progress, Saved},
    discriminator::Discriminator,
    networks::state,
    optimizer::{Adam, AdamSettings, LossScale, Optimizer},
    parameters::Parameters,
};

impl Optimizer {
    /// Returns what a checkpoint keeps. PyTorch's first moments, the last gradients, are left out: its
    /// Adam sets them anew in the next step.
    pub fn record(&self) -> OptimizerRecord {
        OptimizerRecord {
            adam: self.adam.state(),
            gradients: BTreeMap::new(),
            schedule: self.schedule.clone(),
            finished: self.finished,
            scale: Some(self.scale.state()),
        }
    }

    /// Goes on from a checkpoint of `parameters`, with the schedule that it holds. `scale` is what
    /// the number type wants; it goes on where the checkpoint has one.
    ///
    /// # Panics
    /// If the checkpoint is not of these parameters.
    pub fn resume(
        record: OptimizerRecord,
        settings: AdamSettings,
        scale: LossScale,
        parameters: &Parameters,
    ) -> Self {
        Self {
            adam: Adam::resume(settings, record.adam, parameters),
            schedule: record.schedule,
            finished: record.finished,
            scale: match record.scale {
                Some(state) => scale.resume(state),
                None => scale,
            },
        }
    }
}

impl FlowCompletionTraining {
    /// Returns all that a later step depends on; the caller adds `notes` of its own.
    pub fn save(&self, epoch: u64, iteration: u64, notes: BTreeMap<String, String>) -> Saved {
        Saved {
            network: self.parameters.to_host(),
            discriminator: None,
            progress: Progress {
                epoch,
                iteration,
                network: self.optimizer.record(),
                discriminator: None,
                notes,
            },
        }
    }

    /// Goes on from what was saved, on a device that records operations.
    ///
    /// # Errors
    /// Tensors that are not the network's.
    pub fn resume(
        saved: Saved,
        settings: AdamSettings,
        scale: LossScale,
        device: &Device,
    ) -> Result<Self, WeightsError> {
        let parameters = state(Network::FlowCompletion, saved.network, device)?;
        let record = saved.progress.network;
        Ok(Self {
            optimizer: Optimizer::resume(record, settings, scale, &parameters),
            parameters,
            device: device.clone(),
        })
    }
}

impl GeneratorTraining {
    /// Returns all that a later step depends on; the caller adds `notes` of its own.
    pub fn save(&self, epoch: u64, iteration: u64, notes: BTreeMap<String, String>) -> Saved {
        Saved {
            network: self.parameters.to_host(),
            discriminator: Some(self.discriminator.state()),
            progress: Progress {
                epoch,
                iteration,
                network: self.optimizer.record(),
                discriminator: Some(self.discriminator_optimizer.record()),
                notes,
            },
        }
    }

    /// Goes on from what was saved, on a device that records operations. The official training
    /// forgets how far its schedules are; this one does not.
    ///
    /// # Errors
    /// Tensors that are not the network's.
    ///
    /// # Panics
    /// Without a discriminator; [`read`](crate::checkpoint::read) gives one to the generator.
    pub fn resume(
        saved: Saved,
        settings: AdamSettings,
        scale: LossScale,
        device: &Device,
    ) -> Result<Self, WeightsError> {
        let parameters = state(Network::Generator, saved.network, device)?;
        let progress = saved.progress;
        let (Some(tensors), Some(record)) = (saved.discriminator, progress.discriminator) else {
            panic!("a saved generator without its discriminator");
        };
        let discriminator = Discriminator::new(tensors, device);
        let judge = discriminator.parameters();
        Ok(Self {
            discriminator_optimizer: Optimizer::resume(
                record,
                settings.clone(),
                scale.clone(),
                judge,
            ),
            optimizer: Optimizer::resume(progress.network, settings, scale, &parameters),
            parameters,
            discriminator,
            device: device.clone(),
        })
    }
}
