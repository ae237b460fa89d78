//! Training of the generator against a discriminator (spec: training, section 6).

use std::path::Path;

use burn::tensor::{Device, Tensor};
use propainter::{Cancel, weights::Network};

use super::{
    batch::{Clip, Clips, filled},
    flow_completion::add,
    optimisation::{Learning, Optimisation},
};
use crate::{
    checkpoint::{self, Progress, Saved},
    data::Sample,
    discriminator::{Discriminator, judge},
    loss::{DiscriminatorLoss, GeneratorLoss, compose},
    networks::{Computing, Frozen, FrozenClip, GeneratorClip, GeneratorNet, state},
    optimizer::Accumulation,
    parameters::Parameters,
    run::{
        Evaluation, Losses, Step, Trainer,
        trainer::{TrainError, not_finite},
    },
};

/// The generator and its discriminator, while they are trained.
pub struct GeneratorTrainer {
    device: Device,
    parameters: Parameters,
    optimisation: Optimisation,
    computing: Computing,
    discriminator: Discriminator,
    judging: Optimisation,
    /// Computes the inputs from samples.
    frozen: Option<Frozen>,
    /// Number of clips that are computed at once.
    at_once: usize,
}

/// The clips of a micro-batch.
pub struct GeneratorPart {
    /// The true frames `[B, T, 3, H, W]`, in [−1, 1].
    pub truth: Tensor<5>,
    /// Their holes `[B, T, 1, H, W]`, 0 or 1.
    pub holes: Tensor<5>,
    /// What the generator gets of each clip.
    pub inputs: Vec<GeneratorClip>,
}

impl GeneratorTrainer {
    /// Begins with these networks on `device`, which does not record. `frozen` computes flows and
    /// completes them.
    pub fn new(
        parameters: Parameters,
        discriminator: Discriminator,
        frozen: Option<Frozen>,
        learning: Learning,
        at_once: usize,
        device: &Device,
    ) -> Self {
        Self {
            device: device.clone(),
            parameters,
            optimisation: Optimisation::new(&learning),
            computing: learning.computing,
            discriminator,
            judging: Optimisation::new(&Learning {
                held: Vec::new(),
                computing: Computing::default(),
                ..learning
            }),
            frozen,
            at_once,
        }
    }

    /// Returns the generator's parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Returns the discriminator.
    pub fn discriminator(&self) -> &Discriminator {
        &self.discriminator
    }

    /// Makes a step on micro-batches, both networks in the official order: the discriminator sees the
    /// frames that were composed before the generator's step. Nothing that the discriminator computes
    /// depends on the generator's new parameters, so both steps are taken at the end, or none.
    ///
    /// # Errors
    /// The device fails, or the gradients of too many steps in a row are not finite.
    ///
    /// # Panics
    /// If there is no micro-batch.
    pub fn step_on(&mut self, parts: Vec<GeneratorPart>) -> Result<Step, TrainError> {
        let before = self.discriminator.clone();
        let step = self.try_step(parts)?;
        if let Step::Skipped(_) = step {
            // The vectors of its spectral norms were iterated.
            self.discriminator = before;
        }
        Ok(step)
    }

    fn try_step(&mut self, parts: Vec<GeneratorPart>) -> Result<Step, TrainError> {
        let count = parts.len();
        let mut means: Losses = Vec::new();
        let mut sum = Accumulation::new(count);
        let factor = sum.weight() * self.optimisation.scale.factor();
        let pass = self.discriminator.next_pass();
        let constants = self.discriminator.parameters().record(|_| false);
        let mut composed = Vec::new();
        for part in &parts {
            let recorded = self.parameters.record(|key| self.optimisation.trains(key));
            let network = GeneratorNet::new(&recorded, &self.device, self.computing);
            let clips: Result<Vec<_>, _> = part
                .inputs
                .iter()
                .map(|input| network.forward(input.clone()))
                .collect();
            let predicted = Tensor::stack::<5>(clips?, 0);
            let (truth, holes) = (part.truth.clone().autodiff(), part.holes.clone().autodiff());
            let frames = compose(predicted.clone(), truth.clone(), holes.clone());
            let judged = judge(&constants, &pass, frames.clone());
            let loss = GeneratorLoss::new(predicted, truth, holes, judged);
            let values = loss.values();
            let losses = vec![
                ("total", f64::from(values.total)),
                ("hole", f64::from(values.hole)),
                ("rest", f64::from(values.rest)),
                ("adversarial", f64::from(values.adversarial)),
            ];
            if let Some(reason) = not_finite(&losses) {
                return Ok(Step::Skipped(reason));
            }
            add(&mut means, losses, count as f64);
            let mut tape = (loss.total() * factor).backward();
            sum.add(recorded.gradients(&mut tape));
            composed.push(frames.inner());
        }
        let gradients = sum.finish();

        let mut sum = Accumulation::new(count);
        let factor = sum.weight() * self.judging.scale.factor();
        let passes = [
            self.discriminator.next_pass(),
            self.discriminator.next_pass(),
        ];
        let mut judged: Losses = Vec::new();
        for (part, composed) in parts.into_iter().zip(composed) {
            let weights = self.discriminator.parameters().record(|_| true);
            let truth = judge(&weights, &passes[0], part.truth.autodiff());
            let composed = judge(&weights, &passes[1], composed.autodiff());
            let loss = DiscriminatorLoss::new(truth, composed);
            let [truth, composed, total] = loss.values().map(f64::from);
            let losses = vec![
                ("discriminator", total),
                ("discriminator_true", truth),
                ("discriminator_composed", composed),
            ];
            if let Some(reason) = not_finite(&losses) {
                return Ok(Step::Skipped(reason));
            }
            add(&mut judged, losses, count as f64);
            let mut tape = (loss.total() * factor).backward();
            sum.add(weights.gradients(&mut tape));
        }
        means.extend(judged);
        let own = self.optimisation.unscale(gradients)?;
        let judging = self.judging.unscale(sum.finish())?;
        let (Some(own), Some(judging)) = (own, judging) else {
            return Ok(Step::Skipped("a gradient is not finite".to_owned()));
        };
        self.optimisation.step(&mut self.parameters, &own);
        self.judging
            .step(self.discriminator.parameters_mut(), &judging);
        Ok(Step::Done(means))
    }

    /// Computes what the generator gets of samples.
    fn part(&self, samples: &[Sample]) -> Result<GeneratorPart, TrainError> {
        let frozen = self
            .frozen
            .as_ref()
            .ok_or("RAFT and flow completion are missing")?;
        let clips = Clips::new(samples, Some(frozen), &self.device);
        let input = |number: usize| {
            let Clip {
                frames,
                holes,
                flows,
            } = clips.clip(number);
            let clip = FrozenClip {
                frames,
                masks: holes,
                flows,
            };
            frozen.generator_input(clip, &Cancel::default())
        };
        let inputs: Result<Vec<_>, _> = (0..samples.len()).map(input).collect();
        Ok(GeneratorPart {
            inputs: inputs?,
            truth: clips.frames,
            holes: clips.holes,
        })
    }
}

impl Trainer for GeneratorTrainer {
    fn name(&self) -> &'static str {
        "generator"
    }

    fn step(&mut self, samples: &[Sample]) -> Result<Step, TrainError> {
        let parts = samples
            .chunks(self.at_once)
            .map(|samples| self.part(samples));
        self.step_on(parts.collect::<Result<_, _>>()?)
    }

    fn evaluate(&self, sample: &Sample) -> Result<Evaluation, TrainError> {
        let part = self.part(std::slice::from_ref(sample))?;
        let recorded = self.parameters.record(|_| false);
        let network = GeneratorNet::new(&recorded, &self.device, self.computing);
        let predicted = network.forward(part.inputs[0].clone())?;
        let frames = predicted.inner().narrow(0, 0, sample.local);
        Ok(Evaluation {
            filled: filled(sample, &frames),
            measures: Vec::new(),
        })
    }

    fn save(&self, folder: &Path, step: u64) -> Result<(), TrainError> {
        let saved = Saved {
            network: self.parameters.to_host(),
            discriminator: Some(self.discriminator.state()),
            progress: Progress {
                epoch: 0,
                iteration: step,
                network: self.optimisation.record(),
                discriminator: Some(self.judging.record()),
                notes: Default::default(),
            },
        };
        Ok(checkpoint::write(folder, Network::Generator, &saved)?)
    }

    fn load(&mut self, folder: &Path, step: u64) -> Result<(), TrainError> {
        let saved = checkpoint::read(folder, Network::Generator, step)?;
        let discriminator = saved
            .discriminator
            .ok_or("the checkpoint has no discriminator")?;
        self.parameters = state(Network::Generator, saved.network, &self.device)?;
        self.optimisation
            .resume(saved.progress.network, &self.parameters);
        self.discriminator = Discriminator::new(discriminator, &self.device);
        if let Some(record) = saved.progress.discriminator {
            self.judging.resume(record, self.discriminator.parameters());
        }
        Ok(())
    }
}
