//! The training of flow completion.

use burn::tensor::{Device, Tensor};

use super::StepError;
use crate::{
    edges::edges,
    loss::{FlowDirection, FlowLoss, FlowValues},
    networks::FlowCompletionNet,
    optimizer::{Accumulation, Optimizer, Outcome},
    parameters::{Gradients, Parameters},
};

/// A micro-batch: B clips of L frames.
#[derive(Clone, Debug)]
pub struct FlowBatch {
    /// The frames `[B, L, 3, H, W]`, in [−1, 1].
    pub frames: Tensor<5>,
    /// The holes `[B, L, 1, H, W]`, 0 or 1.
    pub masks: Tensor<5>,
    /// The true flows forward and backward `[B, L − 1, 2, H, W]`, in pixels.
    pub flows: [Tensor<5>; 2],
}

/// The flow completion network while it is trained.
#[derive(Clone, Debug)]
pub struct FlowCompletionTraining {
    /// The network's parameters.
    pub parameters: Parameters,
    /// What changes them.
    pub optimizer: Optimizer,
    /// The device, which records operations.
    pub device: Device,
}

impl FlowCompletionTraining {
    /// Computes the gradients of the mean loss of the micro-batches times the loss scale, and the
    /// mean of each loss.
    ///
    /// # Errors
    /// The device fails.
    ///
    /// # Panics
    /// If there is no micro-batch.
    pub fn gradients(&self, batches: &[FlowBatch]) -> Result<(Gradients, FlowValues), StepError> {
        let mut sum = Accumulation::new(batches.len());
        let factor = sum.weight() * self.optimizer.scale.factor();
        let mut values = Vec::with_capacity(batches.len());
        for batch in batches {
            let weights = self.parameters.record(|_| true);
            let network = FlowCompletionNet::new(&weights, &self.device);
            let loss = loss(&network, batch.clone());
            values.push(loss.values());
            let mut tape = (loss.total() * factor).backward();
            sum.add(weights.gradients(&mut tape));
        }
        Ok((sum.finish(), FlowValues::mean(&values)))
    }

    /// Takes a step.
    ///
    /// # Errors
    /// The device fails, or too many steps in a row were skipped.
    pub fn step(&mut self, batches: &[FlowBatch]) -> Result<(Outcome, FlowValues), StepError> {
        let (gradients, values) = self.gradients(batches)?;
        let outcome = self.optimizer.step(&mut self.parameters, gradients);
        let network = "flow completion";
        let outcome = outcome.map_err(|source| StepError::Skips { network, source })?;
        Ok((outcome, values))
    }
}

fn loss(network: &FlowCompletionNet, batch: FlowBatch) -> FlowLoss {
    let FlowBatch {
        frames,
        masks,
        flows,
    } = batch;
    let pairs = frames.dims()[1] - 1;
    let part = |video: &Tensor<5>, first: usize| video.clone().narrow(1, first, pairs);
    let predicted = network.forward(flows.clone(), masks.clone());
    let [flow_f, flow_b] = predicted.flows;
    let [edge_f, edge_b] = predicted.edges;
    let [true_f, true_b] = flows;
    let direction =
        |predicted, predicted_edges, truth: Tensor<5>, [here, there]: [usize; 2]| FlowDirection {
            predicted,
            predicted_edges,
            edges: edges(truth.clone()),
            truth,
            holes: part(&masks, here),
            current: part(&frames, here),
            other: part(&frames, there),
        };
    FlowLoss::new(
        direction(flow_f, edge_f, true_f, [0, 1]),
        direction(flow_b, edge_b, true_b, [1, 0]),
    )
}
