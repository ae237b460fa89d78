//! Flow completion with its edge head, on whole clips (training section 3).

use burn::tensor::{Device, Tensor};
use propainter::internals::networks::flow_completion::{
    EncoderContext, FlowCompletion, network_input,
};

use super::edge_head::EdgeHead;
use crate::parameters::Recorded;

/// The network of one step.
pub struct FlowCompletionNet {
    network: FlowCompletion,
    edges: EdgeHead,
}

/// What the network predicts of a batch of clips: forward, then backward.
pub struct FlowPrediction {
    /// The flows of the whole picture, `[B, N, 2, H, W]` in pixels.
    pub flows: [Tensor<5>; 2],
    /// How likely each pixel is an edge of the flow, `[B, N, 1, H, W]`.
    pub edges: [Tensor<5>; 2],
}

impl FlowCompletionNet {
    /// Builds the network on recorded parameters of `device`, which is one that records.
    pub fn new(parameters: &Recorded, device: &Device) -> Self {
        Self {
            network: FlowCompletion::init(parameters, device),
            edges: EdgeHead::init(parameters, device),
        }
    }

    /// Predicts the flows of clips.
    ///
    /// - `flows`: the true flows forward and backward, `[B, N, 2, H, W]` in pixels, with sides that are
    ///   multiples of 8. No gradient reaches them
    /// - `masks`: `[B, N + 1, 1, H, W]`, 1 inside the hole
    pub fn forward(&self, flows: [Tensor<5>; 2], masks: Tensor<5>) -> FlowPrediction {
        let [batch, count, _, height, width] = flows[0].dims();
        let [forward, backward] = flows;
        let clip = |x: &Tensor<5>, b: usize| -> Tensor<4> {
            let [_, frames, channels, ..] = x.dims();
            x.clone()
                .narrow(0, b, 1)
                .reshape([frames, channels, height, width])
        };
        let predicted: Vec<_> = (0..batch)
            .map(|b| {
                let masks = clip(&masks, b);
                let at = |start| masks.clone().narrow(0, start, count);
                let forward = self.predict(clip(&forward, b), at(0));
                // The network reads the backward direction reversed in time.
                let backward = clip(&backward, b).flip([0]);
                let backward = self.predict(backward, at(1).flip([0])).flip([0]);
                [forward, backward]
            })
            .collect();
        let whole = |direction: usize, what: &dyn Fn(Tensor<4>) -> Tensor<4>| {
            let clips = predicted.iter().map(|clip| what(clip[direction].clone()));
            Tensor::stack(clips.collect(), 0)
        };
        FlowPrediction {
            flows: [0, 1].map(|direction| whole(direction, &|flows| flows)),
            edges: [0, 1].map(|direction| whole(direction, &|flows| self.edges.forward(flows))),
        }
    }

    /// Predicts the flows of one direction, `[N, 2, H, W]`.
    fn predict(&self, flows: Tensor<4>, masks: Tensor<4>) -> Tensor<4> {
        const WHOLE: &str = "a whole video";
        let network = &self.network;
        let x = network.downsample(network_input(flows, masks).autodiff());
        let fine = network.encode1(x, &mut EncoderContext::default(), true);
        let fine = fine.expect(WHOLE);
        let coarse = network.encode2(fine.clone(), &mut EncoderContext::default(), true);
        let coarse = network.dilate(coarse.expect(WHOLE));
        let coarse = network
            .propagate(coarse)
            .expect("nothing is read from the device");
        let x = network.decoder.quarter(coarse) + fine;
        network.decoder.full(network.decoder.half(x))
    }
}
