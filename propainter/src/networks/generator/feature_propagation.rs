//! Propagation of the features of local frames along the flows, in both directions (spec section 5).

use std::iter;

use burn::tensor::{Device, Tensor};

use super::quarter_scale::QuarterScaleInputs;
use crate::{
    Cancel, Error,
    kernels::{concat::concat, device::by_operations, warp::guided},
    networks::{
        layers::{Activation, Conv2d, ConvGeometry, DeformAlign},
        parameters::ParameterSource,
    },
};

/// The largest learned offset, in pixels at a quarter of the resolution.
const LIMIT: f64 = 3.0;

/// The state of the frame before in the order of a pass, if there is one, and the flows to that frame and
/// back.
pub type From<'a> = Option<(&'a Tensor<4>, [&'a Tensor<4>; 2])>;

/// The states of all frames in both passes, and the masks in their data type.
pub struct Passes {
    /// Of the pass from the last frame to the first, `[1, 128, H/4, W/4]` each.
    pub backward: Vec<Tensor<4>>,
    /// Of the pass from the first frame to the last, which reads those of the other pass.
    pub forward: Vec<Tensor<4>>,
    /// The mask and the updated mask, `[1, 2, H/4, W/4]` each.
    pub masks: Vec<Tensor<4>>,
}

/// Does both passes over frames `[1, 128, H/4, W/4]`. `step` computes a state as [`Pass::step`] does; it
/// is given 0 for the backward and 1 for the forward pass.
///
/// # Errors
/// [`Error::Cancelled`] between frames.
pub fn both_passes(
    frames: &[Tensor<4>],
    quarter_scale: &QuarterScaleInputs,
    cancel: &Cancel,
    step: &dyn Fn(usize, &Tensor<4>, From<'_>, &Tensor<4>) -> Tensor<4>,
) -> Result<Passes, Error> {
    let length = frames.len();
    let dtype = frames[0].dtype();
    let masks = quarter_scale.masks.iter();
    let masks: Vec<_> = masks.map(|mask| mask.clone().cast(dtype)).collect();
    let flows = &quarter_scale.flows;

    let mut backward: Vec<Tensor<4>> = Vec::with_capacity(length); // last frame first
    for t in (0..length).rev() {
        cancel.check()?;
        let motion = flows.get(t).map(|flow| [&flow.forward, &flow.backward]);
        let from = backward.last().zip(motion);
        backward.push(step(0, &frames[t], from, &masks[t]));
    }
    backward.reverse();
    let mut forward: Vec<Tensor<4>> = Vec::with_capacity(length);
    for t in 0..length {
        cancel.check()?;
        let from = forward.last().map(|state| {
            let flow = &flows[t - 1];
            (state, [&flow.backward, &flow.forward])
        });
        forward.push(step(1, &backward[t], from, &masks[t]));
    }
    Ok(Passes {
        backward,
        forward,
        masks,
    })
}

/// The feature propagation of the generator.
#[derive(Debug)]
pub struct FeaturePropagation {
    backward: Pass,
    forward: Pass,
    fusion: Fusion,
}

impl FeaturePropagation {
    /// Reads the propagation from the generator's parameters.
    pub fn init(source: &dyn ParameterSource, device: &Device) -> Self {
        let pass = |name| Pass::init(source, name, device);
        Self {
            backward: pass("backward_1"),
            forward: pass("forward_1"),
            fusion: Fusion::init(source, device),
        }
    }

    /// Propagates the features of the local frames, `[1, 128, H/4, W/4]` each. Returns
    /// `[L, 128, H/4, W/4]`.
    ///
    /// # Errors
    /// [`Error::Cancelled`] between frames.
    pub fn forward(
        &self,
        frames: Vec<Tensor<4>>,
        quarter_scale: &QuarterScaleInputs,
        cancel: &Cancel,
    ) -> Result<Tensor<4>, Error> {
        let step = |pass: usize, current: &Tensor<4>, from: From<'_>, masks: &Tensor<4>| {
            [&self.backward, &self.forward][pass].step(current, from, masks)
        };
        let Passes {
            backward,
            forward,
            masks,
        } = both_passes(&frames, quarter_scale, cancel, &step)?;

        cancel.check()?;
        if !by_operations(&frames[0].device()) {
            let parts = [concat(backward), concat(forward), concat(masks)];
            let frames = concat(frames);
            let between = self.fusion.0[0].forward_joined(&parts.each_ref());
            // Without these the peak is no higher than while they are joined.
            drop(parts);
            return Ok(self.fusion.0[1].forward_onto(&[&between], frames, Activation::None));
        }
        let states = backward.iter().zip(&forward);
        let inputs = masks.iter().zip(&frames);
        let fused = states
            .zip(inputs)
            .map(|((backward, forward), (mask, frame))| {
                self.fusion.forward([backward, forward], mask, frame)
            });
        Ok(concat(fused.collect()))
    }
}

/// The join of the states of both passes.
#[derive(Debug)]
pub struct Fusion([Conv2d; 2]);

impl Fusion {
    /// Reads the join from the generator's parameters.
    pub fn init(source: &dyn ParameterSource, device: &Device) -> Self {
        Self(two_convolutions(source, "feat_prop_module.fuse", device))
    }

    /// Joins the states of both passes of frames, `[B, 128, H/4, W/4]` each.
    pub fn forward(
        &self,
        [backward, forward]: [&Tensor<4>; 2],
        masks: &Tensor<4>,
        frames: &Tensor<4>,
    ) -> Tensor<4> {
        chain(&self.0, &[backward, forward, masks], frames)
    }
}

/// A pass in one direction.
#[derive(Debug)]
pub struct Pass {
    align: DeformAlign,
    backbone: [Conv2d; 2],
}

impl Pass {
    /// Reads the pass `name`, `backward_1` or `forward_1`, from the generator's parameters.
    pub fn init(source: &dyn ParameterSource, name: &str, device: &Device) -> Self {
        let align = format!("feat_prop_module.deform_align.{name}");
        let backbone = format!("feat_prop_module.backbone.{name}");
        Self {
            align: DeformAlign::init(source, &align, LIMIT, device),
            backbone: two_convolutions(source, &backbone, device),
        }
    }

    /// Computes the state of a frame with features `current` from the state of the frame before it in
    /// the order of the pass, if there is one, and the flows from the frame to that one and back.
    pub fn step(&self, current: &Tensor<4>, from: From<'_>, masks: &Tensor<4>) -> Tensor<4> {
        let state = match from {
            Some((state, flows)) => {
                let guide = guided(state, flows, masks);
                let condition: Vec<_> = iter::once(current).chain(&guide).collect(); // 261 channels
                let flow = Some(flows[0].clone());
                self.align.forward_joined(state.clone(), &condition, flow)
            }
            None => current.clone(),
        };
        chain(&self.backbone, &[current, &state, masks], &state)
    }
}

/// Reads two convolutions: `{key}.0` with leaky ReLU, then `{key}.2`.
fn two_convolutions(source: &dyn ParameterSource, key: &str, device: &Device) -> [Conv2d; 2] {
    [(0, Activation::Leaky(0.2)), (2, Activation::None)].map(|(layer, activation)| {
        let key = format!("{key}.{layer}");
        Conv2d::init(source, &key, ConvGeometry::default(), device).then(activation)
    })
}

/// Convolves `parts`, joined along the channels, twice and adds `addend`.
fn chain(convolutions: &[Conv2d; 2], parts: &[&Tensor<4>], addend: &Tensor<4>) -> Tensor<4> {
    let between = convolutions[0].forward_joined(parts);
    convolutions[1].forward_onto(&[&between], addend.clone(), Activation::None)
}
