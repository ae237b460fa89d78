//! What the generator's training takes as given: flows, their completion and the propagated images
//! (training section 6).

use burn::tensor::{Device, Tensor};
use propainter::{
    Cancel, Error,
    internals::{
        kernels::correlation::CorrelationForm,
        networks::{
            flow_completion::FlowCompletion, image_propagation::propagate, raft::Raft,
            stored::Placement,
        },
    },
    weights::Checkpoint,
};

use super::GeneratorClip;

/// Iterations of RAFT.
const ITERATIONS: usize = 20;

/// The networks that are not trained, on a device that does not record operations.
pub struct Frozen {
    raft: Raft,
    completion: Option<FlowCompletion>,
}

/// A clip of local frames, then reference frames, T in all.
pub struct FrozenClip {
    /// `[T, 3, H, W]` in [−1, 1], with sides that are multiples of 8.
    pub frames: Tensor<4>,
    /// `[T, 1, H, W]`, 1 inside the hole.
    pub masks: Tensor<4>,
    /// The true flows between local frames forward and backward, `[L − 1, 2, H, W]` in pixels.
    pub flows: [Tensor<4>; 2],
}

impl Frozen {
    /// Builds the networks. Flow completion is read by the generator's training only.
    pub fn new(raft: &Checkpoint, completion: Option<&Checkpoint>, device: &Device) -> Self {
        Self {
            raft: Raft::init(raft, device),
            completion: completion.map(|checkpoint| FlowCompletion::init(checkpoint, device)),
        }
    }

    /// Computes the flows between consecutive frames `[L, 3, H, W]` forward and backward,
    /// `[L − 1, 2, H, W]` in pixels.
    pub fn flows(&self, frames: &Tensor<4>) -> [Tensor<4>; 2] {
        let count = frames.dims()[0];
        let encode = |t: usize| self.raft.encode(frames.clone().narrow(0, t, 1));
        let mut first = encode(0);
        let mut found = [Vec::new(), Vec::new()];
        for t in 1..count {
            let second = encode(t);
            let pairs = [(&first, &second), (&second, &first)];
            let flows = self
                .raft
                .flows(&pairs, ITERATIONS, CorrelationForm::default());
            found[0].push(flows.clone().narrow(0, 0, 1));
            found[1].push(flows.narrow(0, 1, 1));
            first = second;
        }
        found.map(|flows| Tensor::cat(flows, 0))
    }

    /// Completes the flows of a clip and propagates images along them: the generator's input.
    ///
    /// # Errors
    /// [`Error::Cancelled`] between frames; [`Error::Compute`] if the device fails.
    ///
    /// # Panics
    /// Panics without a network for flow completion.
    pub fn generator_input(
        &self,
        clip: FrozenClip,
        cancel: &Cancel,
    ) -> Result<GeneratorClip, Error> {
        let FrozenClip {
            frames,
            masks,
            flows: [forward, backward],
        } = clip;
        let [count, ..] = frames.dims();
        let locals = forward.dims()[0] + 1;
        let completion = self
            .completion
            .as_ref()
            .expect("a network for flow completion");
        let local_masks = masks.clone().narrow(0, 0, locals);
        let (forward, backward) = completion.complete(forward, backward, local_masks)?;
        let masked = frames * (-masks.clone() + 1.0);
        let at = |x: &Tensor<4>, t: usize| x.clone().narrow(0, t, 1);
        let (mut updated, mut missing) = (Vec::new(), Vec::new());
        propagate(
            locals,
            Placement::Device,
            cancel,
            &|t| (at(&masked, t), at(&masks, t)),
            &|t| (at(&forward, t), at(&backward, t)),
            &mut |_, image, mask| {
                updated.push(image);
                missing.push(mask);
                Ok(())
            },
        )?;
        if locals < count {
            updated.push(masked.narrow(0, locals, count - locals));
            missing.push(masks.clone().narrow(0, locals, count - locals));
        }
        Ok(GeneratorClip {
            updated: Tensor::cat(updated, 0),
            masks,
            updated_masks: Tensor::cat(missing, 0),
            flows: [forward, backward],
        })
    }
}
