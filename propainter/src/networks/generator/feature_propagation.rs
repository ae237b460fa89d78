//! Propagation of the features of local frames along the flows, in both directions (spec section 5).

use burn::tensor::{Device, Tensor};

use super::quarter_scale::{Flows, QuarterScaleInputs};
use crate::{
    Cancel, Error,
    kernels::warp::{Sampling, consistency, warp},
    networks::layers::{Activation, Conv2d, ConvGeometry, DeformAlign},
    weights::Checkpoint,
};

/// The largest learned offset, in pixels at a quarter of the resolution.
const LIMIT: f64 = 3.0;

/// The feature propagation of the generator.
#[derive(Debug)]
pub struct FeaturePropagation {
    backward: Pass,
    forward: Pass,
    fuse: [Conv2d; 2],
}

impl FeaturePropagation {
    /// Reads the propagation from the generator's checkpoint.
    pub fn init(checkpoint: &Checkpoint, device: &Device) -> Self {
        let pass = |name| Pass::init(checkpoint, name, device);
        Self {
            backward: pass("backward_1"),
            forward: pass("forward_1"),
            fuse: two_convolutions(checkpoint, "feat_prop_module.fuse", device),
        }
    }

    /// Propagates the features of the local frames; `[L, 128, H/4, W/4]`, the same shape.
    ///
    /// # Errors
    /// [`Error::Cancelled`] between frames.
    pub fn forward(
        &self,
        features: Tensor<4>,
        quarter_scale: &QuarterScaleInputs,
        cancel: &Cancel,
    ) -> Result<Tensor<4>, Error> {
        let length = features.dims()[0];
        let frames: Vec<_> = (0..length).map(|t| at(&features, t)).collect();
        let masks = quarter_scale.masks.clone().cast(features.dtype());
        let masks: Vec<_> = (0..length).map(|t| at(&masks, t)).collect();
        let (to_next, to_previous) = match &quarter_scale.flows {
            Some(Flows { forward, backward }) => (
                motions(forward.clone(), backward.clone()),
                motions(backward.clone(), forward.clone()),
            ),
            None => Default::default(),
        };

        let mut backward: Vec<Tensor<4>> = Vec::with_capacity(length); // last frame first
        for t in (0..length).rev() {
            cancel.check()?;
            let from = backward.last().zip(to_next.get(t));
            backward.push(self.backward.step(&frames[t], from, &masks[t]));
        }
        backward.reverse();
        let mut forward: Vec<Tensor<4>> = Vec::with_capacity(length);
        for t in 0..length {
            cancel.check()?;
            let from = forward.last().map(|state| (state, &to_previous[t - 1]));
            forward.push(self.forward.step(&backward[t], from, &masks[t]));
        }

        let mut fused = Vec::with_capacity(length);
        for ((backward, forward), (mask, frame)) in backward
            .into_iter()
            .zip(forward)
            .zip(masks.into_iter().zip(frames))
        {
            cancel.check()?;
            let all = Tensor::cat(vec![backward, forward, mask], 1);
            fused.push(chain(&self.fuse, all) + frame);
        }
        Ok(Tensor::cat(fused, 0))
    }
}

/// The motion from one frame to its neighbour in the order of the pass, in 32 bits.
struct Motion {
    /// The flow, `[1, 2, h, w]`.
    flow: Tensor<4>,
    /// 1 where the flow back agrees, `[1, 1, h, w]`.
    valid: Tensor<4>,
}

/// Returns the motion between all neighbours.
fn motions(flow: Tensor<4>, back: Tensor<4>) -> Vec<Motion> {
    let valid = consistency(flow.clone(), back);
    let motion = |t| Motion {
        flow: at(&flow, t),
        valid: at(&valid, t),
    };
    (0..flow.dims()[0]).map(motion).collect()
}

/// A pass in one direction.
#[derive(Debug)]
struct Pass {
    align: DeformAlign,
    backbone: [Conv2d; 2],
}

impl Pass {
    fn init(checkpoint: &Checkpoint, name: &str, device: &Device) -> Self {
        let align = format!("feat_prop_module.deform_align.{name}");
        let backbone = format!("feat_prop_module.backbone.{name}");
        Self {
            align: DeformAlign::init(checkpoint, &align, LIMIT, device),
            backbone: two_convolutions(checkpoint, &backbone, device),
        }
    }

    /// Computes the state of a frame with features `current` from the state of the frame before it in
    /// the order of the pass, if there is one.
    fn step(
        &self,
        current: &Tensor<4>,
        from: Option<(&Tensor<4>, &Motion)>,
        masks: &Tensor<4>,
    ) -> Tensor<4> {
        let state = match from {
            Some((state, Motion { flow, valid })) => {
                let warped = warp(state.clone(), flow.clone(), Sampling::Bilinear);
                let condition = [current, &warped, flow, valid, masks];
                let condition = condition.map(|part| part.clone().cast(current.dtype()));
                let condition = Tensor::cat(condition.to_vec(), 1); // 261 channels
                self.align
                    .forward(state.clone(), condition, Some(flow.clone()))
            }
            None => current.clone(),
        };
        let all = [current, &state, masks].map(Tensor::clone);
        chain(&self.backbone, Tensor::cat(all.to_vec(), 1)) + state
    }
}

/// Reads two convolutions: `{key}.0` with leaky ReLU, then `{key}.2`.
fn two_convolutions(checkpoint: &Checkpoint, key: &str, device: &Device) -> [Conv2d; 2] {
    [(0, Activation::Leaky(0.2)), (2, Activation::None)].map(|(layer, activation)| {
        let key = format!("{key}.{layer}");
        Conv2d::init(checkpoint, &key, ConvGeometry::default(), device).then(activation)
    })
}

/// Applies convolutions one after another.
fn chain(convolutions: &[Conv2d], x: Tensor<4>) -> Tensor<4> {
    convolutions.iter().fold(x, |x, conv| conv.forward(x))
}

/// Returns one entry of a batch.
fn at(batch: &Tensor<4>, index: usize) -> Tensor<4> {
    batch.clone().narrow(0, index, 1)
}
