//! Training of flow completion (spec: training, sections 3 and 4).

use std::{mem, path::Path};

use burn::tensor::{Device, Tensor, TensorData};
use propainter::{
    Border, Cancel, Mask, fill_single_frame,
    memory::Stage,
    weights::{Checkpoint, Network},
};

use super::{
    batch::{Clips, filled},
    membrane,
    optimisation::{Learning, Optimisation},
};
use crate::{
    budget::{Keeper, Plan},
    checkpoint::{self, Progress, Saved},
    data::Sample,
    edges::edges,
    loss::{FlowDirection, FlowLoss, FlowValues},
    networks::{Computing, FlowCompletionNet, Frozen, FrozenClip, state},
    optimizer::Accumulation,
    parameters::{Gradients, Parameters, host_values},
    run::{
        Evaluation, Losses, Step, Trainer,
        trainer::{TrainError, not_finite},
    },
};

/// Flow completion, while it is trained.
pub struct FlowCompletionTrainer {
    device: Device,
    parameters: Parameters,
    optimisation: Optimisation,
    /// The checkpoint of RAFT; without it the flows have to be computed before.
    raft: Option<(Checkpoint, Frozen)>,
    keeper: Keeper,
}

/// The gradients of a step and its losses; or why it must be skipped.
type Computed = Result<(Gradients, Losses), String>;

/// Clips, and the edges of their true flows forward and backward.
type Part = (Clips, [Tensor<5>; 2]);

impl FlowCompletionTrainer {
    /// Begins with `parameters` on `device`, which does not record.
    pub fn new(
        parameters: Parameters,
        raft: Option<Checkpoint>,
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
            raft: raft.map(|raft| {
                let network = Frozen::new(&raft, None, device);
                (raft, network)
            }),
        }
    }

    /// Returns the trainer with other plans for its steps than that of its settings.
    pub fn with_plans(self, keeper: Keeper) -> Self {
        Self { keeper, ..self }
    }

    /// Returns the parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn flows(&self) -> Option<&Frozen> {
        self.raft.as_ref().map(|(_, network)| network)
    }

    /// Makes a step on micro-batches: clips, and the edges of their true flows forward and backward.
    /// The losses of each are normalised by its own holes; the step goes along their mean.
    ///
    /// # Errors
    /// The gradients of too many steps in a row are not finite.
    ///
    /// # Panics
    /// If there is no micro-batch, or the device fails.
    pub fn step_on(&mut self, parts: Vec<Part>) -> Result<Step, TrainError> {
        let computing = self.keeper.plan().computing;
        let computed = self.compute(parts.len(), &|i| parts[i].clone(), computing);
        self.apply(computed)
    }

    /// Computes the gradients of a step on `count` micro-batches, one after the other. Nothing changes.
    fn compute(
        &self,
        count: usize,
        part: &dyn Fn(usize) -> Part,
        computing: Computing,
    ) -> Computed {
        let mut sum = Accumulation::new(count);
        let factor = sum.weight() * self.optimisation.scale.factor();
        let mut means: Losses = Vec::new();
        for number in 0..count {
            let (clips, edges) = part(number);
            let recorded = self.parameters.record(|key| self.optimisation.trains(key));
            let network = FlowCompletionNet::new(&recorded, &self.device, computing);
            let loss = loss(&network, &clips, &edges);
            let losses = named(&loss.values());
            if let Some(reason) = not_finite(&losses) {
                return Err(reason);
            }
            add(&mut means, losses, count as f64);
            let total = loss.total() * factor;
            // The record alone keeps what the backward pass reads.
            drop((loss, clips, edges));
            let mut tape = total.backward();
            sum.add(recorded.gradients(&mut tape));
        }
        Ok((sum.finish(), means))
    }

    /// Takes a step along gradients.
    fn apply(&mut self, computed: Computed) -> Result<Step, TrainError> {
        let (gradients, losses) = match computed {
            Ok(computed) => computed,
            Err(reason) => return Ok(Step::Skipped(reason)),
        };
        let Some(gradients) = self.optimisation.unscale(gradients)? else {
            return Ok(Step::Skipped("a gradient is not finite".to_owned()));
        };
        self.optimisation.step(&mut self.parameters, &gradients);
        Ok(Step::Done(losses))
    }

    /// Returns the checkpoint of the network as it is.
    fn as_checkpoint(&self) -> Result<Checkpoint, TrainError> {
        Ok(Checkpoint::from_tensors(
            Network::FlowCompletion,
            self.parameters.to_host(),
        )?)
    }
}

/// Computes the losses of clips.
fn loss(network: &FlowCompletionNet, clips: &Clips, edges: &[Tensor<5>; 2]) -> FlowLoss {
    let local = clips.local();
    let at = |video: &Tensor<5>, first: usize| video.clone().narrow(1, first, local - 1);
    let flows = clips.flows.clone();
    let predicted = network.forward(flows, clips.holes.clone().narrow(1, 0, local));
    let [forward, backward] = [0, 1].map(|way| FlowDirection {
        predicted: predicted.flows[way].clone(),
        predicted_edges: predicted.edges[way].clone(),
        truth: clips.flows[way].clone().autodiff(),
        edges: edges[way].clone().autodiff(),
        holes: at(&clips.holes, way).autodiff(),
        current: at(&clips.frames, way).autodiff(),
        other: at(&clips.frames, 1 - way).autodiff(),
    });
    FlowLoss::new(forward, backward)
}

/// Returns the losses by name; the terms are the means of both directions.
fn named(values: &FlowValues) -> Losses {
    let [forward, backward] = values.terms;
    let mean = |term: usize| f64::from(forward[term] + backward[term]) / 2.0;
    vec![
        ("total", f64::from(values.total)),
        ("flow", f64::from(values.flow)),
        ("census", f64::from(values.census)),
        ("edge", f64::from(values.edge)),
        ("l1_hole", mean(0)),
        ("l1_rest", mean(1)),
    ]
}

/// Adds the losses of one of `count` parts to their means.
pub(super) fn add(means: &mut Losses, losses: Losses, count: f64) {
    if means.is_empty() {
        means.extend(losses.iter().map(|(name, _)| (*name, 0.0)));
    }
    for ((_, mean), (_, value)) in means.iter_mut().zip(losses) {
        *mean += value / count;
    }
}

/// Fills the holes `[1, n, 1, H, W]` of flows `[1, n, 2, H, W]` by a membrane.
fn filled_by_membrane(flows: &Tensor<5>, holes: &Tensor<5>) -> Tensor<5> {
    let [_, _, _, height, width] = flows.dims();
    let [mut values, holes] = [flows, holes].map(|x| host_values(&x.clone().flatten(0, 4)));
    let planes = values.chunks_exact_mut(height * width);
    for (plane, hole) in planes.zip(
        holes
            .chunks_exact(height * width)
            .flat_map(|hole| [hole; 2]),
    ) {
        membrane::fill(plane, hole, width);
    }
    Tensor::from_data(TensorData::new(values, flows.dims()), &flows.device())
}

impl Trainer for FlowCompletionTrainer {
    fn name(&self) -> &'static str {
        "flow-completion"
    }

    fn step(&mut self, samples: &[Sample]) -> Result<Step, TrainError> {
        let mut keeper = mem::take(&mut self.keeper);
        let computed = keeper.keep(Stage::Completion, |plan| {
            let parts: Vec<_> = samples.chunks(plan.at_once).collect();
            let part = |number: usize| {
                let clips = Clips::new(parts[number], self.flows(), &self.device);
                let edges = clips.flows.clone().map(edges);
                (clips, edges)
            };
            Ok(self.compute(parts.len(), &part, plan.computing))
        });
        self.keeper = keeper;
        self.apply(computed?)
    }

    fn notices(&mut self) -> Vec<String> {
        self.keeper.notices()
    }

    /// Completes the flows and propagates images along them; what no frame shows is filled from the
    /// pixels around it. Without RAFT only the flows are measured.
    fn evaluate(&self, sample: &Sample) -> Result<Evaluation, TrainError> {
        let clips = Clips::new(std::slice::from_ref(sample), self.flows(), &self.device);
        let clip = clips.clip(0);
        let recorded = self.parameters.record(|_| false);
        let network = FlowCompletionNet::new(&recorded, &self.device, self.keeper.plan().computing);
        let (local, flows) = (clips.local(), clips.flows.clone());
        let predicted = network.forward(flows.clone(), clips.holes.clone().narrow(1, 0, local));
        let holes = |way: usize| clips.holes.clone().narrow(1, way, local - 1);
        let error = |way: usize, completed: Tensor<5>| {
            let error = completed - flows[way].clone();
            let length = (error.clone() * error).sum_dim(2).sqrt();
            (length * holes(way)).mean() / holes(way).mean()
        };
        let mean = |completed: &dyn Fn(usize) -> Tensor<5>| {
            let error = (error(0, completed(0)) + error(1, completed(1))) / 2.0;
            f64::from(host_values(&error)[0])
        };
        let measures = vec![
            (
                "flow_error_hole",
                mean(&|way| predicted.flows[way].clone().inner()),
            ),
            (
                "flow_error_membrane",
                mean(&|way| filled_by_membrane(&flows[way], &holes(way))),
            ),
        ];
        let Some((raft, _)) = &self.raft else {
            let filled = Vec::new();
            return Ok(Evaluation { filled, measures });
        };
        let frozen = Frozen::new(raft, Some(&self.as_checkpoint()?), &self.device);
        let at = |video: Tensor<4>| video.narrow(0, 0, local);
        let input = frozen.generator_input(
            FrozenClip {
                frames: at(clip.frames),
                masks: at(clip.holes),
                flows: clip.flows,
            },
            &Cancel::default(),
        )?;
        let mut frames = filled(sample, &input.updated);
        let missing = host_values(&input.updated_masks.flatten(0, 3));
        for (frame, missing) in frames
            .iter_mut()
            .zip(missing.chunks_exact(sample.holes[0].hole().len()))
        {
            let missing = missing.iter().map(|&value| u8::from(value > 0.5)).collect();
            let mask = Mask::from_luma(frame.width(), frame.height(), missing);
            *frame = fill_single_frame(frame, &mask, 0, Border::default()).frame;
        }
        Ok(Evaluation {
            filled: frames,
            measures,
        })
    }

    fn save(&self, folder: &Path, step: u64) -> Result<(), TrainError> {
        let saved = Saved {
            network: self.parameters.to_host(),
            discriminator: None,
            progress: Progress {
                epoch: 0,
                iteration: step,
                network: self.optimisation.record(),
                discriminator: None,
                notes: Default::default(),
            },
        };
        Ok(checkpoint::write(folder, Network::FlowCompletion, &saved)?)
    }

    fn load(&mut self, folder: &Path, step: u64) -> Result<(), TrainError> {
        let saved = checkpoint::read(folder, Network::FlowCompletion, step)?;
        self.parameters = state(Network::FlowCompletion, saved.network, &self.device)?;
        self.optimisation
            .resume(saved.progress.network, &self.parameters);
        Ok(())
    }
}
