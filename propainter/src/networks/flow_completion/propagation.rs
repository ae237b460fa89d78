//! Second-order propagation of features along time, backward, then forward.

use burn::tensor::{Device, Tensor};

use crate::{
    networks::layers::{Activation, Conv2d, DeformAlign, Geometry},
    weights::Checkpoint,
};

const WIDTH: usize = 128;
/// Bound of the learned offsets, in pixels.
const LIMIT: f64 = 5.0;

#[derive(Debug)]
pub struct Propagation {
    pub backward: Pass,
    pub forward: Pass,
    fusion: Conv2d,
}

impl Propagation {
    pub fn init(checkpoint: &Checkpoint, key: &str, device: &Device) -> Self {
        let pass = |name| Pass::init(checkpoint, key, name, device);
        Self {
            backward: pass("backward_"),
            forward: pass("forward_"),
            fusion: Conv2d::init(
                checkpoint,
                &format!("{key}.fusion"),
                Geometry::padding(0, 0),
                device,
            ),
        }
    }

    /// What a frame with features `x` and these states has become, all `[1, 128, h, w]`.
    pub fn fuse(&self, x: Tensor<4>, backward: Tensor<4>, forward: Tensor<4>) -> Tensor<4> {
        self.fusion.forward(Tensor::cat(vec![backward, forward], 1)) + x
    }
}

/// One direction.
#[derive(Debug)]
pub struct Pass {
    align: DeformAlign,
    backbone: [Conv2d; 2],
}

/// The last two states of a pass, the last one first; none at its start.
#[derive(Debug, Default)]
pub struct Memory([Option<Tensor<4>>; 2]);

impl Pass {
    fn init(checkpoint: &Checkpoint, key: &str, name: &str, device: &Device) -> Self {
        let conv = |i: usize| {
            let key = format!("{key}.backbone.{name}.{i}");
            Conv2d::init(checkpoint, &key, Geometry::default(), device)
        };
        Self {
            align: DeformAlign::init(
                checkpoint,
                &format!("{key}.deform_align.{name}"),
                LIMIT,
                device,
            ),
            backbone: [conv(0).then(Activation::Leaky(0.1)), conv(2)],
        }
    }

    /// The state `[1, 128, h, w]` of the next frame in the pass's order. `known` `[1, K, h, w]`
    /// holds its features in the first 128 channels, then its states of passes before this one.
    pub fn step(&self, known: Tensor<4>, memory: &mut Memory) -> Tensor<4> {
        let aligned = self.align(known.clone().narrow(1, 0, WIDTH), memory);
        let [first, second] = &self.backbone;
        let input = Tensor::cat(vec![known, aligned.clone()], 1);
        let state = second.forward(first.forward(input)) + aligned;
        memory.0 = [Some(state.clone()), memory.0[0].take()];
        state
    }

    /// The last two states brought to the frame with `feature`; zero before there are any.
    fn align(&self, feature: Tensor<4>, memory: &Memory) -> Tensor<4> {
        let [Some(last), before] = &memory.0 else {
            return feature.zeros_like();
        };
        let before = before.clone().unwrap_or_else(|| feature.zeros_like());
        let condition = vec![last.clone(), feature, before.clone()];
        let source = Tensor::cat(vec![last.clone(), before], 1);
        self.align.forward(source, Tensor::cat(condition, 1), None)
    }
}
