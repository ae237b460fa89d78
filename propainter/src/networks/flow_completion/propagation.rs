//! Second-order propagation of features over time, backward, then forward.

use burn::tensor::{Device, Tensor};

use crate::{
    kernels::concat::concat,
    networks::{
        layers::{Activation, Conv2d, ConvGeometry, DeformAlign},
        parameters::ParameterSource,
    },
};

/// The largest learned offset, in pixels.
const LIMIT: f64 = 5.0;

/// Both passes and the fusion of their states.
#[derive(Debug)]
pub struct Propagation {
    /// The pass from the last frame to the first.
    pub backward: Pass,
    /// The pass from the first frame to the last.
    pub forward: Pass,
    fusion: Conv2d,
}

impl Propagation {
    /// Reads `{key}.*`.
    pub fn init(source: &dyn ParameterSource, key: &str, device: &Device) -> Self {
        let pass = |name| Pass::init(source, key, name, device);
        Self {
            backward: pass("backward_"),
            forward: pass("forward_"),
            fusion: Conv2d::init(
                source,
                &format!("{key}.fusion"),
                ConvGeometry::padding(0, 0),
                device,
            ),
        }
    }

    /// Fuses the features `x` of a frame with its states of both passes, all `[B, 128, h, w]`.
    pub fn fuse(&self, x: &Tensor<4>, backward: &Tensor<4>, forward: &Tensor<4>) -> Tensor<4> {
        self.fusion
            .forward_onto(&[backward, forward], x.clone(), Activation::None)
    }
}

/// A pass in one direction.
#[derive(Debug)]
pub struct Pass {
    align: DeformAlign,
    backbone: [Conv2d; 2],
}

/// The last two states of a pass, the latest first; `None` at its start.
#[derive(Debug, Default)]
pub struct PassState([Option<Tensor<4>>; 2]);

impl PassState {
    /// Returns the state of a pass with these last states, the latest first.
    pub fn of(states: [Option<Tensor<4>>; 2]) -> Self {
        Self(states)
    }
}

impl Pass {
    /// Reads the pass `name`, `backward_` or `forward_`, of `{key}.*`.
    pub fn init(source: &dyn ParameterSource, key: &str, name: &str, device: &Device) -> Self {
        let conv = |i: usize| {
            let key = format!("{key}.backbone.{name}.{i}");
            Conv2d::init(source, &key, ConvGeometry::default(), device)
        };
        Self {
            align: DeformAlign::init(source, &format!("{key}.deform_align.{name}"), LIMIT, device),
            backbone: [conv(0).then(Activation::Leaky(0.1)), conv(2)],
        }
    }

    /// Computes the state `[B, 128, h, w]` of the next frame in the order of the pass. `known` are its
    /// features, then its states of earlier passes, each `[B, 128, h, w]`.
    pub fn step(&self, known: &[&Tensor<4>], states: &mut PassState) -> Tensor<4> {
        let aligned = self.align(known[0], states);
        let [first, second] = &self.backbone;
        let input = first.forward_joined(&[known, &[&aligned]].concat());
        let state = second.forward_onto(&[&input], aligned, Activation::None);
        states.0 = [Some(state.clone()), states.0[0].take()];
        state
    }

    /// Aligns the last two states to the frame with `feature`; zero at the start of the pass.
    fn align(&self, feature: &Tensor<4>, states: &PassState) -> Tensor<4> {
        let [Some(last), before] = &states.0 else {
            return feature.zeros_like();
        };
        let before = before.clone().unwrap_or_else(|| feature.zeros_like());
        // The channels of an image follow each other as images of a batch do.
        let [batch, channels, height, width] = last.dims();
        let parts = (0..batch).flat_map(|i| [last, &before].map(|x| x.clone().narrow(0, i, 1)));
        let source = concat(parts.collect());
        let source = source.reshape([batch, 2 * channels, height, width]);
        self.align
            .forward_joined(source, &[last, feature, &before], None)
    }
}
