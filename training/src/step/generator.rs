//! The training of the generator against the discriminator.

use burn::tensor::{Device, Tensor};

use super::StepError;
use crate::{
    discriminator::{Discriminator, judge},
    loss::{DiscriminatorLoss, GeneratorLoss, GeneratorValues, compose},
    networks::{GeneratorClip, GeneratorNet},
    optimizer::{Accumulation, Optimizer, Outcome},
    parameters::{Gradients, Parameters},
};

/// A micro-batch: B clips of T frames, local ones first.
#[derive(Clone, Debug)]
pub struct GeneratorBatch {
    /// What the frozen networks make of each clip; all are of one size and length.
    pub clips: Vec<GeneratorClip>,
    /// The true frames `[B, T, 3, H, W]`, in [−1, 1].
    pub truth: Tensor<5>,
    /// The holes `[B, T, 1, H, W]`, 0 or 1.
    pub masks: Tensor<5>,
}

/// The true frames and the composed ones of a micro-batch, `[B, T, 3, H, W]`. The discriminator learns
/// from those that were composed before the generator's step.
#[derive(Clone, Debug)]
pub struct Composed {
    truth: Tensor<5>,
    composed: Tensor<5>,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeneratorStep {
    /// The generator's outcome.
    pub generator: Outcome,
    /// Its losses, the mean of the micro-batches.
    pub losses: GeneratorValues,
    /// The discriminator's outcome.
    pub discriminator: Outcome,
    /// Its losses of true and of composed clips, and half their sum.
    pub discriminator_losses: [f32; 3],
}

/// Both networks while they are trained.
#[derive(Clone, Debug)]
pub struct GeneratorTraining {
    /// The generator's parameters.
    pub parameters: Parameters,
    /// What changes them.
    pub optimizer: Optimizer,
    /// The discriminator.
    pub discriminator: Discriminator,
    /// What changes it.
    pub discriminator_optimizer: Optimizer,
    /// The device, which records operations.
    pub device: Device,
}

impl GeneratorTraining {
    /// Computes the gradients of the generator's mean loss times its loss scale. This is the first of
    /// the discriminator's passes of a step.
    ///
    /// # Errors
    /// The device fails.
    ///
    /// # Panics
    /// If there is no micro-batch, or one without a clip.
    pub fn gradients(
        &mut self,
        batches: &[GeneratorBatch],
    ) -> Result<(Gradients, GeneratorValues, Vec<Composed>), StepError> {
        let pass = self.discriminator.next_pass();
        let judges = self.discriminator.parameters().record(|_| false);
        let mut sum = Accumulation::new(batches.len());
        let factor = sum.weight() * self.optimizer.scale.factor();
        let mut values = Vec::with_capacity(batches.len());
        let mut all = Vec::with_capacity(batches.len());
        for GeneratorBatch {
            clips,
            truth,
            masks,
        } in batches
        {
            let weights = self.parameters.record(|_| true);
            let network = GeneratorNet::new(&weights, &self.device);
            let predicted = clips.iter().map(|clip| network.forward(clip.clone()));
            let predicted: Tensor<5> = Tensor::stack(predicted.collect::<Result<_, _>>()?, 0);
            let composed = compose(predicted.clone(), truth.clone(), masks.clone());
            let judged = judge(&judges, &pass, composed.clone());
            let loss = GeneratorLoss::new(predicted, truth.clone(), masks.clone(), judged);
            values.push(loss.values());
            let mut tape = (loss.total() * factor).backward();
            sum.add(weights.gradients(&mut tape));
            all.push(Composed {
                truth: truth.clone().inner(),
                composed: composed.inner(),
            });
        }
        Ok((sum.finish(), GeneratorValues::mean(&values), all))
    }

    /// Computes the gradients of the discriminator's mean loss times its loss scale, and its losses.
    /// These are the second and the third pass of a step.
    ///
    /// # Panics
    /// If there is no micro-batch.
    pub fn discriminator_gradients(&mut self, batches: Vec<Composed>) -> (Gradients, [f32; 3]) {
        let [of_truth, of_composed] = [(); 2].map(|()| self.discriminator.next_pass());
        let mut sum = Accumulation::new(batches.len());
        let factor = sum.weight() * self.discriminator_optimizer.scale.factor();
        let mut mean = [0.0; 3];
        for Composed { truth, composed } in batches {
            let weights = self.discriminator.parameters().record(|_| true);
            let loss = DiscriminatorLoss::new(
                judge(&weights, &of_truth, truth.autodiff()),
                judge(&weights, &of_composed, composed.autodiff()),
            );
            let values = loss.values();
            mean = std::array::from_fn(|index| mean[index] + values[index] * sum.weight());
            let mut tape = (loss.total() * factor).backward();
            sum.add(weights.gradients(&mut tape));
        }
        (sum.finish(), mean)
    }

    /// Takes a step of both networks.
    ///
    /// # Errors
    /// The device fails, or too many steps in a row were skipped.
    pub fn step(&mut self, batches: &[GeneratorBatch]) -> Result<GeneratorStep, StepError> {
        let failed = |network| move |source| StepError::Skips { network, source };
        let (gradients, losses, composed) = self.gradients(batches)?;
        let generator = self.optimizer.step(&mut self.parameters, gradients);
        let generator = generator.map_err(failed("generator"))?;
        let (gradients, discriminator_losses) = self.discriminator_gradients(composed);
        let parameters = self.discriminator.parameters_mut();
        let discriminator = self.discriminator_optimizer.step(parameters, gradients);
        Ok(GeneratorStep {
            generator,
            losses,
            discriminator: discriminator.map_err(failed("discriminator"))?,
            discriminator_losses,
        })
    }
}
