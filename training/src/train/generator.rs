//! Training of the generator against a discriminator (spec: training, section 6).

use std::{mem, path::Path};

use burn::tensor::{Device, Tensor};
use propainter::{Cancel, memory::Stage, weights::Network};

use super::{
    batch::{Clip, Clips, filled},
    flow_completion::add,
    optimisation::{Learning, Optimisation},
};
use crate::{
    budget::{Keeper, Plan},
    checkpoint::{self, Progress, Saved},
    data::Sample,
    discriminator::{Discriminator, Pass, judge},
    loss::{DiscriminatorLoss, GeneratorLoss, compose},
    networks::{Computing, Frozen, FrozenClip, GeneratorClip, GeneratorNet, state},
    optimizer::Accumulation,
    parameters::{Gradients, Parameters},
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
    discriminator: Discriminator,
    judging: Optimisation,
    /// Computes the inputs from samples.
    frozen: Option<Frozen>,
    keeper: Keeper,
}

/// What a step computes before anything changes.
struct Gathered {
    /// The discriminator after the passes of the step.
    discriminator: Discriminator,
    own: Gradients,
    judging: Gradients,
    losses: Losses,
}

/// What a step computes, or why it must be skipped.
type Computed = Result<Gathered, String>;

/// The clips of a micro-batch.
#[derive(Clone)]
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
            keeper: Keeper::fixed(Plan {
                at_once,
                computing: learning.computing,
            }),
            discriminator,
            judging: Optimisation::new(&Learning {
                held: Vec::new(),
                computing: Computing::default(),
                ..learning
            }),
            frozen,
        }
    }

    /// Returns the trainer with other plans for its steps than that of its settings.
    pub fn with_plans(self, keeper: Keeper) -> Self {
        Self { keeper, ..self }
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
        let computing = self.keeper.plan().computing;
        let computed = self.compute(parts.len(), &|i| Ok(parts[i].clone()), computing)?;
        self.apply(computed)
    }

    /// Computes the gradients of a step on `count` micro-batches, one after the other. Nothing changes.
    fn compute(
        &self,
        count: usize,
        part: &dyn Fn(usize) -> Result<GeneratorPart, TrainError>,
        computing: Computing,
    ) -> Result<Computed, TrainError> {
        let mut discriminator = self.discriminator.clone();
        // Of the generator's judgement, of the true frames and of the composed ones.
        let passes = [(); 3].map(|()| discriminator.next_pass());
        let (mut own, mut judging) = (Accumulation::new(count), Accumulation::new(count));
        let (mut losses, mut judged): (Losses, Losses) = Default::default();
        for number in 0..count {
            let part = part(number)?;
            let weight = own.weight();
            let (gradients, values, composed) =
                self.generate(&part, &passes[0], weight, computing)?;
            if let Some(reason) = not_finite(&values) {
                return Ok(Err(reason));
            }
            add(&mut losses, values, count as f64);
            own.add(gradients);
            let (gradients, values) = self.judge([part.truth, composed], &passes[1..], weight);
            if let Some(reason) = not_finite(&values) {
                return Ok(Err(reason));
            }
            add(&mut judged, values, count as f64);
            judging.add(gradients);
        }
        losses.extend(judged);
        Ok(Ok(Gathered {
            discriminator,
            own: own.finish(),
            judging: judging.finish(),
            losses,
        }))
    }

    /// Returns the generator's gradients of a micro-batch, its losses and the composed frames.
    fn generate(
        &self,
        part: &GeneratorPart,
        pass: &Pass,
        weight: f32,
        computing: Computing,
    ) -> Result<(Gradients, Losses, Tensor<5>), TrainError> {
        let recorded = self.parameters.record(|key| self.optimisation.trains(key));
        let network = GeneratorNet::new(&recorded, &self.device, computing);
        let clips = part.inputs.iter();
        let clips: Result<Vec<_>, _> = clips.map(|clip| network.forward(clip.clone())).collect();
        let predicted = Tensor::stack::<5>(clips?, 0);
        let (truth, holes) = (part.truth.clone().autodiff(), part.holes.clone().autodiff());
        let frames = compose(predicted.clone(), truth.clone(), holes.clone());
        let composed = frames.clone().inner();
        let constants = self.discriminator.parameters().record(|_| false);
        let judged = judge(&constants, pass, frames);
        let loss = GeneratorLoss::new(predicted, truth, holes, judged);
        let values = loss.values();
        let losses = vec![
            ("total", f64::from(values.total)),
            ("hole", f64::from(values.hole)),
            ("rest", f64::from(values.rest)),
            ("adversarial", f64::from(values.adversarial)),
        ];
        if not_finite(&losses).is_some() {
            return Ok((Gradients::default(), losses, composed));
        }
        let total = loss.total() * (weight * self.optimisation.scale.factor());
        // The record alone keeps what the backward pass reads.
        drop(loss);
        let mut tape = total.backward();
        Ok((recorded.gradients(&mut tape), losses, composed))
    }

    /// Returns the discriminator's gradients of true and composed frames, and its losses.
    fn judge(&self, frames: [Tensor<5>; 2], passes: &[Pass], weight: f32) -> (Gradients, Losses) {
        let weights = self.discriminator.parameters().record(|_| true);
        let mut passes = passes.iter();
        let [truth, composed] = frames.map(|frames| {
            let pass = passes.next().expect("a pass for each");
            judge(&weights, pass, frames.autodiff())
        });
        let loss = DiscriminatorLoss::new(truth, composed);
        let [truth, composed, total] = loss.values().map(f64::from);
        let losses = vec![
            ("discriminator", total),
            ("discriminator_true", truth),
            ("discriminator_composed", composed),
        ];
        if not_finite(&losses).is_some() {
            return (Gradients::default(), losses);
        }
        let total = loss.total() * (weight * self.judging.scale.factor());
        drop(loss);
        let mut tape = total.backward();
        (weights.gradients(&mut tape), losses)
    }

    /// Takes the steps of both networks along their gradients.
    fn apply(&mut self, computed: Computed) -> Result<Step, TrainError> {
        let Gathered {
            discriminator,
            own,
            judging,
            losses,
        } = match computed {
            Ok(gathered) => gathered,
            Err(reason) => return Ok(Step::Skipped(reason)),
        };
        let own = self.optimisation.unscale(own)?;
        let judging = self.judging.unscale(judging)?;
        let (Some(own), Some(judging)) = (own, judging) else {
            return Ok(Step::Skipped("a gradient is not finite".to_owned()));
        };
        self.discriminator = discriminator;
        self.optimisation.step(&mut self.parameters, &own);
        drop(own);
        self.judging
            .step(self.discriminator.parameters_mut(), &judging);
        Ok(Step::Done(losses))
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
        let mut keeper = mem::take(&mut self.keeper);
        let computed = keeper.keep(Stage::Generator, |plan| {
            let parts: Vec<_> = samples.chunks(plan.at_once).collect();
            let part = |number: usize| self.part(parts[number]);
            self.compute(parts.len(), &part, plan.computing)
        });
        self.keeper = keeper;
        self.apply(computed?)
    }

    fn notices(&mut self) -> Vec<String> {
        self.keeper.notices()
    }

    fn evaluate(&self, sample: &Sample) -> Result<Evaluation, TrainError> {
        let part = self.part(std::slice::from_ref(sample))?;
        let recorded = self.parameters.record(|_| false);
        let network = GeneratorNet::new(&recorded, &self.device, self.keeper.plan().computing);
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
