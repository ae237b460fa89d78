//! The losses of the flow completion network (spec: training, section 4).

use burn::tensor::Tensor;

use super::{census, edge, first_order, frames, rest, second_order, weighted_l1};

/// The weight of the flow losses in the total.
const FLOW: f32 = 0.25;
/// The weight of the census losses.
const CENSUS: f32 = 0.01;
/// The weight of the loss of combined edges beside that of all edges.
const COMBINED_EDGES: f32 = 5.0;

/// What the losses of one direction are computed from: N pairs of neighbouring frames in each of B
/// clips.
#[derive(Clone, Debug)]
pub struct FlowDirection {
    /// The network's flows of the whole picture `[B, N, 2, H, W]`.
    pub predicted: Tensor<5>,
    /// The edge head's output `[B, N, 1, H, W]`, after its sigmoid.
    pub predicted_edges: Tensor<5>,
    /// The true flows `[B, N, 2, H, W]`.
    pub truth: Tensor<5>,
    /// The edges of the true flows `[B, N, 1, H, W]`, 0 or 1; see [`edges`](crate::edges::edges).
    pub edges: Tensor<5>,
    /// The holes of the frames where flows start `[B, N, 1, H, W]`, 0 or 1.
    pub holes: Tensor<5>,
    /// The frames where flows start `[B, N, 3, H, W]`, in [−1, 1].
    pub current: Tensor<5>,
    /// The frames to which flows lead, of the same shape.
    pub other: Tensor<5>,
}

/// The losses of one direction before weights, each `[1]`.
#[derive(Clone, Debug)]
pub struct FlowTerms {
    /// The L1 loss in holes.
    pub l1_hole: Tensor<1>,
    /// The L1 loss outside of holes.
    pub l1_rest: Tensor<1>,
    /// The first-order smoothness.
    pub smoothness1: Tensor<1>,
    /// The second-order smoothness.
    pub smoothness2: Tensor<1>,
    /// The census loss.
    pub census: Tensor<1>,
    /// The edge loss of the whole picture.
    pub edges: Tensor<1>,
    /// The edge loss with the true edges outside of holes.
    pub edges_combined: Tensor<1>,
}

impl FlowTerms {
    /// Computes the losses of one direction.
    pub fn new(direction: FlowDirection) -> Self {
        let holes = &direction.holes;
        let rest = rest(holes);
        let l1 = |weights: &Tensor<5>| {
            let predicted = direction.predicted.clone();
            weighted_l1(predicted, direction.truth.clone(), weights.clone())
        };
        let combine = |inside: &Tensor<5>, outside: &Tensor<5>| {
            frames(inside.clone() * holes.clone() + outside.clone() * rest.clone())
        };
        let combined = combine(&direction.predicted, &direction.truth);
        let hole_frames = frames(holes.clone());
        let edges = frames(direction.edges.clone());
        Self {
            l1_hole: l1(holes),
            l1_rest: l1(&rest),
            smoothness1: first_order(&combined, &hole_frames),
            smoothness2: second_order(&combined, &hole_frames),
            edges: edge(frames(direction.predicted_edges.clone()), edges.clone()),
            edges_combined: edge(combine(&direction.predicted_edges, &direction.edges), edges),
            census: census(
                [frames(direction.current), frames(direction.other)],
                frames(direction.truth),
                combined,
                hole_frames,
            ),
        }
    }

    fn all(&self) -> [&Tensor<1>; 7] {
        [
            &self.l1_hole,
            &self.l1_rest,
            &self.smoothness1,
            &self.smoothness2,
            &self.census,
            &self.edges,
            &self.edges_combined,
        ]
    }
}

/// The losses of both directions.
#[derive(Clone, Debug)]
pub struct FlowLoss {
    /// Those of the flows to the next frame.
    pub forward: FlowTerms,
    /// Those of the flows to the frame before.
    pub backward: FlowTerms,
}

/// The values of [`FlowLoss`] on the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowValues {
    /// Terms before weights: forward, then backward, each in the order of the fields of
    /// [`FlowTerms`].
    pub terms: [[f32; 7]; 2],
    /// The L1 and smoothness losses with their weight.
    pub flow: f32,
    /// The census losses with their weight.
    pub census: f32,
    /// The edge losses.
    pub edge: f32,
    /// The sum of the three.
    pub total: f32,
}

impl FlowLoss {
    /// Computes the losses of the forward and of the backward flows.
    pub fn new(forward: FlowDirection, backward: FlowDirection) -> Self {
        Self {
            forward: FlowTerms::new(forward),
            backward: FlowTerms::new(backward),
        }
    }

    /// Returns the total `[1]`, from which gradients go back.
    pub fn total(&self) -> Tensor<1> {
        let [flow, census, edge] = self.weighted();
        flow + census + edge
    }

    /// Reads the values, waiting once.
    pub fn values(&self) -> FlowValues {
        let terms = [&self.forward, &self.backward].map(FlowTerms::all);
        let terms = terms.into_iter().flatten().cloned();
        let sums = self.weighted().into_iter().chain([self.total()]);
        let all = terms.chain(sums).map(Tensor::inner).collect();
        let values = crate::parameters::host_values(&Tensor::cat(all, 0));
        let (terms, sums) = values.split_at(14);
        let direction = |index: usize| std::array::from_fn(|term| terms[7 * index + term]);
        FlowValues {
            terms: [direction(0), direction(1)],
            flow: sums[0],
            census: sums[1],
            edge: sums[2],
            total: sums[3],
        }
    }

    fn weighted(&self) -> [Tensor<1>; 3] {
        let both = |term: fn(&FlowTerms) -> Tensor<1>| term(&self.forward) + term(&self.backward);
        let flow = both(|t| {
            t.l1_hole.clone() + t.l1_rest.clone() + t.smoothness1.clone() + t.smoothness2.clone()
        });
        let edge = both(|t| t.edges.clone() + t.edges_combined.clone() * COMBINED_EDGES);
        [flow * FLOW, both(|t| t.census.clone()) * CENSUS, edge]
    }
}
