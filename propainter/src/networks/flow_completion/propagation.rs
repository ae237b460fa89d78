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
    backward: Pass,
    forward: Pass,
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

    /// `x` and result `[T, 128, h, w]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let length = x.dims()[0];
        let mut backward = self.backward.run(&x, (0..length).rev());
        backward.reverse();
        let backward = Tensor::cat(backward, 0);
        let known = Tensor::cat(vec![x.clone(), backward.clone()], 1);
        let forward = Tensor::cat(self.forward.run(&known, 0..length), 0);
        self.fusion.forward(Tensor::cat(vec![backward, forward], 1)) + x
    }
}

/// One direction.
#[derive(Debug)]
struct Pass {
    align: DeformAlign,
    backbone: [Conv2d; 2],
}

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

    /// The states `[1, 128, h, w]` in `order`. `known` `[T, K, h, w]` holds the features in its
    /// first 128 channels, then the states of passes before this one.
    fn run(&self, known: &Tensor<4>, order: impl Iterator<Item = usize>) -> Vec<Tensor<4>> {
        let mut states: Vec<Tensor<4>> = Vec::new();
        for t in order {
            let known = known.clone().narrow(0, t, 1);
            let aligned = self.align(known.clone().narrow(1, 0, WIDTH), &states);
            let [first, second] = &self.backbone;
            let input = Tensor::cat(vec![known, aligned.clone()], 1);
            let change = second.forward(first.forward(input));
            states.push(aligned + change);
        }
        states
    }

    /// The last two states brought to the frame with `feature`; zero before there are any.
    fn align(&self, feature: Tensor<4>, states: &[Tensor<4>]) -> Tensor<4> {
        let Some(last) = states.last() else {
            return feature.zeros_like();
        };
        let before = match states {
            [.., before, _] => before.clone(),
            _ => feature.zeros_like(),
        };
        let condition = vec![last.clone(), feature, before.clone()];
        let source = Tensor::cat(vec![last.clone(), before], 1);
        self.align.forward(source, Tensor::cat(condition, 1), None)
    }
}
