//! The generator on whole clips, in training mode (training section 6).

use burn::tensor::{Device, Tensor};
use propainter::{
    Cancel, Error,
    internals::networks::{
        generator::{
            Generator, QuarterScaleInputs,
            token_grid::{TokenGrid, mask_tokens},
        },
        strips::Strips,
    },
};

use crate::parameters::Recorded;

/// The network of one step.
pub struct GeneratorNet {
    network: Generator,
}

/// The input of one clip: local frames, then reference frames, T in all. No gradient reaches it.
#[derive(Clone, Debug)]
pub struct GeneratorClip {
    /// The frames after image propagation, `[T, 3, H, W]` in [−1, 1], with sides that are multiples of 8.
    pub updated: Tensor<4>,
    /// `[T, 1, H, W]`, 1 inside the hole.
    pub masks: Tensor<4>,
    /// The masks after image propagation, `[T, 1, H, W]`.
    pub updated_masks: Tensor<4>,
    /// The completed flows between local frames forward and backward, `[L − 1, 2, H, W]` in pixels. They
    /// tell the number L of local frames.
    pub flows: [Tensor<4>; 2],
}

impl GeneratorNet {
    /// Builds the network on recorded parameters of `device`, which is one that records.
    pub fn new(parameters: &Recorded, device: &Device) -> Self {
        Self {
            network: Generator::init(parameters, device),
        }
    }

    /// Generates all frames of a clip, `[T, 3, H, W]` in [−1, 1]. A window counts as masked if any frame
    /// has a hole in it.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails before the masks are read from it.
    pub fn forward(&self, clip: GeneratorClip) -> Result<Tensor<4>, Error> {
        let GeneratorClip {
            updated,
            masks,
            updated_masks,
            flows: [forward, backward],
        } = clip;
        let network = &self.network;
        let [frames, _, height, width] = updated.dims();
        let size = [height / 4, width / 4];
        let locals = forward.dims()[0] + 1;
        let guides = QuarterScaleInputs::new(
            masks.clone(),
            updated_masks.clone(),
            Some((forward, backward)),
        )?;
        let masked = mask_tokens(&guides.mask_pixels, size);
        let input = Tensor::cat(vec![updated, masks, updated_masks], 1).autodiff();
        let features = network.encode_joined(input, Strips::default());
        let own = features.clone().narrow(0, 0, locals).split(1, 0);
        let cancel = Cancel::default();
        let local = network.propagation.forward(own, &guides, &cancel)?;
        let references = features.narrow(0, locals, frames - locals);
        let features = Tensor::cat(vec![local, references], 0);
        let tokens = network.tokens(features.clone());
        let all: Vec<_> = (0..frames).collect();
        let whole = TokenGrid::over(size).whole();
        let transformer = &network.transformer;
        let tokens = transformer.forward(tokens, &all, &whole, size, &masked, &cancel)?;
        let composed = network.composition.forward(tokens, size);
        Ok(network.decoder.forward(features + composed, 0))
    }
}
