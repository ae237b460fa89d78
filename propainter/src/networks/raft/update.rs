//! RAFT's update block: from correlation samples at the current flow to a better flow.

use burn::tensor::{Device, Tensor};

use crate::{
    kernels::gates,
    networks::{
        layers::{Activation, Conv2d, ConvGeometry},
        parameters::parameter,
    },
    weights::Checkpoint,
};

/// Channels of the hidden state, of the context, and of the motion features.
const WIDTH: usize = 128;

/// The encoder of motion features from correlation samples and flow.
#[derive(Debug)]
pub struct MotionEncoder {
    correlation: [Conv2d; 2],
    flow: [Conv2d; 2],
    join: Conv2d,
}

impl MotionEncoder {
    /// Reads `{key}.*`.
    pub fn init(checkpoint: &Checkpoint, key: &str, device: &Device) -> Self {
        let conv = |name: &str, padding: usize| {
            let geometry = ConvGeometry::padding(padding, padding);
            Conv2d::init(checkpoint, &format!("{key}.{name}"), geometry, device)
                .then(Activation::Relu)
        };
        Self {
            correlation: [conv("convc1", 0), conv("convc2", 1)],
            flow: [conv("convf1", 3), conv("convf2", 1)],
            join: conv("conv", 1),
        }
    }

    /// Encodes samples `[B, 324, h, w]` and flow `[B, 2, h, w]` to `[B, 126, h, w]`. The motion
    /// features are these channels, then the flow.
    pub fn forward(&self, correlation: Tensor<4>, flow: Tensor<4>) -> Tensor<4> {
        let run = |x, convs: &[Conv2d]| convs.iter().fold(x, |x, conv| conv.forward(x));
        let correlation = run(correlation, &self.correlation);
        let motion = run(flow, &self.flow);
        self.join.forward_joined(&[&correlation, &motion])
    }
}

/// A convolutional GRU along rows, then one along columns.
#[derive(Debug)]
pub struct SeparableGru([Gru; 2]);

/// The share of the context in the gates of a [`SeparableGru`]. It is the same in every iteration.
pub struct GateContext([ContextShare; 2]);

impl SeparableGru {
    /// Reads `{key}.*`.
    pub fn init(checkpoint: &Checkpoint, key: &str, device: &Device) -> Self {
        Self([
            Gru::init(checkpoint, key, 1, ConvGeometry::padding(0, 2), device),
            Gru::init(checkpoint, key, 2, ConvGeometry::padding(2, 0), device),
        ])
    }

    /// Computes the share of a context `[B, 128, h, w]` in the gates.
    pub fn prepare(&self, context: &Tensor<4>) -> GateContext {
        let [rows, columns] = &self.0;
        GateContext([rows, columns].map(|gru| gru.prepare(context.clone())))
    }

    /// Computes the next hidden state, `[B, 128, h, w]` as `hidden`. The parts of `motion` have 128
    /// channels together.
    pub fn forward(
        &self,
        hidden: Tensor<4>,
        motion: [&Tensor<4>; 2],
        context: &GateContext,
    ) -> Tensor<4> {
        let passes = self.0.iter().zip(&context.0);
        passes.fold(hidden, |hidden, (gru, constant)| {
            gru.forward(hidden, motion, constant)
        })
    }
}

/// One pass. Its convolutions read [hidden, context, motion]. They are split by input, because the
/// share of the context is constant, and joined by output, because z and r read the same input.
#[derive(Debug)]
struct Gru {
    /// 128 → 384: z, r and q from the context, with the biases.
    context: Conv2d,
    /// 256 → 256: z and r from [hidden, motion].
    gates: Conv2d,
    /// 256 → 128: q from [r·hidden, motion].
    candidate: Conv2d,
}

/// The share of the context in one pass.
struct ContextShare {
    gates: Tensor<4>,
    candidate: Tensor<4>,
}

impl Gru {
    fn init(
        checkpoint: &Checkpoint,
        key: &str,
        pass: usize,
        geometry: ConvGeometry,
        device: &Device,
    ) -> Self {
        let weights = ["z", "r", "q"].map(|gate| -> Tensor<4> {
            parameter(
                checkpoint,
                &format!("{key}.conv{gate}{pass}.weight"),
                device,
            )
        });
        let biases = ["z", "r", "q"].map(|gate| -> Tensor<1> {
            parameter(checkpoint, &format!("{key}.conv{gate}{pass}.bias"), device)
        });
        let part =
            |weight: &Tensor<4>, index: usize| weight.clone().narrow(1, index * WIDTH, WIDTH);
        let moving = |weight: &Tensor<4>| Tensor::cat(vec![part(weight, 0), part(weight, 2)], 1);
        let context = weights.iter().map(|weight| part(weight, 1)).collect();
        let [z, r, q] = weights.each_ref().map(moving);
        let unbiased = |weight: Tensor<4>| {
            let bias = Tensor::zeros([weight.dims()[0]], device);
            Conv2d::of(weight, bias, geometry).computing_in(checkpoint.numbers())
        };
        Self {
            context: Conv2d::of(
                Tensor::cat(context, 0),
                Tensor::cat(biases.to_vec(), 0),
                geometry,
            )
            .computing_in(checkpoint.numbers()),
            gates: unbiased(Tensor::cat(vec![z, r], 0)),
            candidate: unbiased(q),
        }
    }

    fn prepare(&self, context: Tensor<4>) -> ContextShare {
        let all = self.context.forward(context);
        ContextShare {
            gates: all.clone().narrow(1, 0, 2 * WIDTH),
            candidate: all.narrow(1, 2 * WIDTH, WIDTH),
        }
    }

    fn forward(
        &self,
        hidden: Tensor<4>,
        [motion, flow]: [&Tensor<4>; 2],
        constant: &ContextShare,
    ) -> Tensor<4> {
        let gates = self.gates.forward_joined(&[&hidden, motion, flow]);
        let (update, reset) = gates::open(gates, constant.gates.clone(), hidden.clone());
        let candidate = self.candidate.forward_joined(&[&reset, motion, flow]);
        gates::close(hidden, update, candidate, constant.candidate.clone())
    }
}

/// A head: two convolutions from the hidden state.
#[derive(Debug)]
pub struct Head([Conv2d; 2]);

impl Head {
    /// Reads the convolutions at these two keys, the second one with `padding`. The result is
    /// multiplied by `scale`, a power of two.
    pub fn init(
        checkpoint: &Checkpoint,
        [first, second]: [&str; 2],
        padding: usize,
        scale: f32,
        device: &Device,
    ) -> Self {
        let first = Conv2d::init(checkpoint, first, ConvGeometry::default(), device);
        // A power of two scales the weights, and so the sums, without rounding.
        let weight: Tensor<4> = parameter(checkpoint, &format!("{second}.weight"), device);
        let bias: Tensor<1> = parameter(checkpoint, &format!("{second}.bias"), device);
        let geometry = ConvGeometry::padding(padding, padding);
        Self([
            first.then(Activation::Relu),
            Conv2d::of(weight * scale, bias * scale, geometry),
        ])
    }

    /// Applies both convolutions.
    pub fn forward(&self, hidden: Tensor<4>) -> Tensor<4> {
        self.0.iter().fold(hidden, |x, conv| conv.forward(x))
    }

    /// Applies both convolutions and adds the result to `x`.
    pub fn add_to(&self, x: &Tensor<4>, hidden: Tensor<4>) -> Tensor<4> {
        let [first, second] = &self.0;
        second.forward_onto(&[&first.forward(hidden)], x.clone(), Activation::None)
    }
}
