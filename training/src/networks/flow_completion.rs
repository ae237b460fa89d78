//! Flow completion with its edge head, on whole clips (training section 3).

use burn::tensor::{DType, Device, Tensor};
use propainter::internals::networks::{
    flow_completion::{
        Decoder, EncoderContext, FlowCompletion, network_input,
        propagation::{Pass, PassState, Propagation},
    },
    parameters::ParameterSource,
};

use super::{
    computing::{Computing, Runner, frames},
    edge_head::EdgeHead,
};
use crate::parameters::Recorded;

/// The key of the propagation.
const PROPAGATION: &str = "feat_prop_module";

/// The network of one step.
pub struct FlowCompletionNet(Runner);

/// What the network predicts of a batch of clips: forward, then backward.
pub struct FlowPrediction {
    /// The flows of the whole picture, `[B, N, 2, H, W]` in pixels, in 32 bits.
    pub flows: [Tensor<5>; 2],
    /// How likely each pixel is an edge of the flow, `[B, N, 1, H, W]`, in 32 bits.
    pub edges: [Tensor<5>; 2],
}

impl FlowCompletionNet {
    /// Builds the network on recorded parameters, which are on `device`.
    pub fn new(parameters: &Recorded, device: &Device, computing: Computing) -> Self {
        Self(Runner::new(parameters, device, computing))
    }

    /// Predicts the flows of clips.
    ///
    /// - `flows`: the true flows forward and backward, `[B, N, 2, H, W]` in pixels, with sides that are
    ///   multiples of 8. No gradient reaches them
    /// - `masks`: `[B, N + 1, 1, H, W]`, 1 inside the hole
    pub fn forward(&self, flows: [Tensor<5>; 2], masks: Tensor<5>) -> FlowPrediction {
        let [batch, count, _, height, width] = flows[0].dims();
        let clip = |x: &Tensor<5>, b: usize| -> Tensor<4> {
            let [_, frames, channels, ..] = x.dims();
            let clip = x.clone().narrow(0, b, 1).inner();
            clip.reshape([frames, channels, height, width])
        };
        // The network reads the backward direction reversed in time. All clips and directions propagate
        // as one batch.
        let videos = (0..batch).flat_map(|b| {
            let masks = clip(&masks, b);
            let at = |start| masks.clone().narrow(0, start, count);
            [
                network_input(clip(&flows[0], b), at(0)),
                network_input(clip(&flows[1], b).flip([0]), at(1).flip([0])),
            ]
        });
        let predicted = self.predict(videos.collect());
        let joined = |direction: usize, what: &dyn Fn(&Tensor<4>) -> Tensor<4>| {
            let clips = predicted.iter().skip(direction).step_by(2);
            let clip = |video: &Vec<Tensor<4>>| {
                let mut frames: Vec<_> = video.iter().map(what).collect();
                if direction == 1 {
                    frames.reverse();
                }
                Tensor::cat(frames, 0)
            };
            Tensor::stack(clips.map(clip).collect(), 0)
        };
        FlowPrediction {
            flows: [0, 1].map(|direction| joined(direction, &Tensor::clone)),
            edges: [0, 1].map(|direction| joined(direction, &|flow| self.edges(flow.clone()))),
        }
    }

    /// Predicts the flows of videos from their inputs `[N, 3, H, W]`, flow by flow `[1, 2, H, W]`.
    fn predict(&self, videos: Vec<Tensor<4>>) -> Vec<Vec<Tensor<4>>> {
        let runner = &self.0;
        let segments = runner.computing.segments;
        let encoded = videos.into_iter().map(|video| {
            let [fine, coarse] = self.encode(runner.input(video));
            (frames(&fine), frames(&coarse))
        });
        let (fine, coarse): (Vec<_>, Vec<_>) = encoded.unzip();
        let at = |t: usize| Tensor::cat(coarse.iter().map(|video| video[t].clone()).collect(), 0);
        let coarse: Vec<Tensor<4>> = (0..coarse[0].len()).map(at).collect();
        let mut states = [None, None];
        let mut backward = Vec::with_capacity(coarse.len()); // last frame first
        for x in coarse.iter().rev() {
            backward.push(self.step("backward_", vec![x.clone()], &mut states));
        }
        backward.reverse();
        let mut states = [None, None];
        let mut predicted = vec![Vec::new(); fine.len()];
        for (t, (x, backward)) in coarse.into_iter().zip(backward).enumerate() {
            let known = vec![x.clone(), backward.clone()];
            let forward = self.step("forward_", known, &mut states);
            let device = runner.device.clone();
            let inputs = vec![x, backward, forward];
            let fused = runner.run(
                segments.propagation,
                ("fusion", 0),
                inputs,
                move |source| Propagation::init(source, PROPAGATION, &device),
                |propagation, inputs| propagation.fuse(&inputs[0], &inputs[1], &inputs[2]),
            );
            for ((fused, fine), predicted) in
                frames(&fused).into_iter().zip(&fine).zip(&mut predicted)
            {
                let device = runner.device.clone();
                let flow = runner.run(
                    segments.decoder,
                    ("decoder", 0),
                    vec![fused, fine[t].clone()],
                    move |source| Decoder::init(source, &device),
                    |decoder, inputs| {
                        let [fused, fine] = inputs.try_into().expect("two inputs");
                        decoder.full(decoder.half(decoder.quarter(fused) + fine))
                    },
                );
                predicted.push(flow.cast(DType::F32));
            }
        }
        predicted
    }

    /// Encodes the input of one direction: `[N, 64, H/4, W/4]` and `[N, 128, H/8, W/8]`.
    fn encode(&self, input: Tensor<4>) -> [Tensor<4>; 2] {
        const WHOLE: &str = "all frames of a whole video";
        let runner = &self.0;
        let again = runner.computing.segments.encoder;
        let device = runner.device.clone();
        let init = move |source: &dyn ParameterSource| FlowCompletion::init(source, &device);
        let fine = runner.run(
            again,
            ("network", 0),
            vec![input],
            init.clone(),
            |network, mut inputs| {
                let x = network.downsample(inputs.remove(0));
                let fine = network.encode1(x, &mut EncoderContext::default(), true);
                fine.expect(WHOLE)
            },
        );
        let coarse = runner.run(
            again,
            ("network", 0),
            vec![fine.clone()],
            init,
            |network, mut inputs| {
                let coarse =
                    network.encode2(inputs.remove(0), &mut EncoderContext::default(), true);
                network.dilate(coarse.expect(WHOLE))
            },
        );
        [fine, coarse]
    }

    /// Does a step of a pass. `known` are the features of the frame, then its states of earlier passes.
    fn step(
        &self,
        name: &'static str,
        known: Vec<Tensor<4>>,
        states: &mut [Option<Tensor<4>>; 2],
    ) -> Tensor<4> {
        let runner = &self.0;
        let (count, device) = (known.len(), runner.device.clone());
        let mut inputs = known;
        inputs.extend(states.iter().flatten().cloned());
        let again = runner.computing.segments.propagation;
        let state = runner.run(
            again,
            (name, 0),
            inputs,
            move |source| Pass::init(source, PROPAGATION, name, &device),
            move |pass, inputs| {
                let known: Vec<_> = inputs[..count].iter().collect();
                let state = |i: usize| inputs.get(count + i).cloned();
                let mut states = PassState::of([state(0), state(1)]);
                pass.step(&known, &mut states)
            },
        );
        *states = [Some(state.clone()), states[0].take()];
        state
    }

    /// Predicts the edges of a flow `[1, 2, H, W]`.
    fn edges(&self, flow: Tensor<4>) -> Tensor<4> {
        let device = self.0.device.clone();
        let again = self.0.computing.segments.decoder;
        self.0.run(
            again,
            ("edges", 0),
            vec![flow],
            move |source| EdgeHead::init(source, &device),
            |head, mut inputs| head.forward(inputs.remove(0)),
        )
    }
}
