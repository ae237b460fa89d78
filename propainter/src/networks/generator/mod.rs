//! The generator: features of a window's frames, carried along the flows, filled in by a
//! transformer, and decoded (spec sections 5 and 6).

pub mod attention;
mod decoder;
mod encoder;
mod feature_propagation;
mod feed_forward;
mod guides;
mod tokens;
mod transformer;
pub mod windows;

use burn::tensor::{Device, Tensor};

pub use self::{
    decoder::Decoder,
    encoder::Encoder,
    feature_propagation::FeaturePropagation,
    feed_forward::FeedForward,
    guides::Guides,
    tokens::{SoftComposition, SoftSplit},
    transformer::{Block, Transformer},
};
use crate::{Cancel, Error, weights::Checkpoint};

/// Channels of the features.
const FEATURES: usize = 128;
/// Channels of the tokens.
const CHANNELS: usize = 512;
/// Elements of a stage's widest tensor that may exist at once, where its frames are
/// independent: 64 MB, or one frame.
const TILE: usize = 1 << 24;

/// The generator's stages, in order.
#[derive(Debug)]
pub struct Generator {
    pub encoder: Encoder,
    pub propagation: FeaturePropagation,
    pub split: SoftSplit,
    pub transformer: Transformer,
    pub composition: SoftComposition,
    pub decoder: Decoder,
}

/// What the generator reads of a window: L local frames, which follow each other, and R
/// references.
#[derive(Debug)]
pub struct GeneratorInput {
    /// [`Generator::encode`]'s features of all frames, local ones first,
    /// `[L + R, 128, H/4, W/4]`.
    pub features: Tensor<4>,
    /// Completed forward and backward flows between local frames, `[L − 1, 2, H, W]`, in
    /// pixels; `None` for a single local frame.
    pub flows: Option<(Tensor<4>, Tensor<4>)>,
    /// Masks of local frames, `[L, 1, H, W]`, 1 is the hole.
    pub masks: Tensor<4>,
    /// What image propagation left of the masks, `[L, 1, H, W]`.
    pub updated_masks: Tensor<4>,
}

impl Generator {
    pub fn init(checkpoint: &Checkpoint, device: &Device) -> Self {
        Self {
            encoder: Encoder::init(checkpoint, device),
            propagation: FeaturePropagation::init(checkpoint, device),
            split: SoftSplit::init(checkpoint, device),
            transformer: Transformer::init(checkpoint, device),
            composition: SoftComposition::init(checkpoint, device),
            decoder: Decoder::init(checkpoint, device),
        }
    }

    /// Features of frames, which no window changes.
    ///
    /// - `updated`: frames after image propagation, `[B, 3, H, W]` in [−1, 1]
    /// - `masks`, `updated_masks`: `[B, 1, H, W]`, 1 is the hole
    ///
    /// H and W are multiples of 8. Result `[B, 128, H/4, W/4]`.
    pub fn encode(
        &self,
        updated: Tensor<4>,
        masks: Tensor<4>,
        updated_masks: Tensor<4>,
    ) -> Tensor<4> {
        self.encoder
            .forward(Tensor::cat(vec![updated, masks, updated_masks], 1))
    }

    /// The local frames, `[L, 3, H, W]` in [−1, 1].
    ///
    /// # Errors
    /// [`Error::Cancelled`], between frames and blocks; [`Error::Compute`] when the device
    /// fails before the masks are read back from it.
    pub fn forward(&self, input: GeneratorInput, cancel: &Cancel) -> Result<Tensor<4>, Error> {
        let locals = input.masks.dims()[0];
        let [frames, _, height, width] = input.features.dims();
        let size = [height, width];
        let guides = Guides::new(input.masks, input.updated_masks, input.flows);
        let holes = windows::token_holes(&guides.holes()?, size);

        let local = input.features.clone().narrow(0, 0, locals);
        let local = self.propagation.forward(local, &guides, cancel)?;
        let mut tokens = vec![self.split.forward(local.clone())];
        if frames > locals {
            let references = input.features.narrow(0, locals, frames - locals);
            tokens.push(self.split.forward(references));
        }
        let tokens = Tensor::cat(tokens, 0);
        let tokens = self
            .transformer
            .forward(tokens, locals, size, &holes, cancel)?;
        cancel.check()?;
        let features = self.composition.forward(tokens, size) + local;
        let pictures = features.split(1, 0).into_iter().map(|features| {
            cancel.check()?;
            Ok(self.decoder.forward(features))
        });
        Ok(Tensor::cat(pictures.collect::<Result<_, Error>>()?, 0))
    }
}

/// Applies `stage` to as many frames at a time as `TILE` allows, `elements` being those of one
/// frame's widest tensor.
fn in_tiles(x: Tensor<4>, elements: usize, stage: impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
    let tiles = x.split((TILE / elements).max(1), 0);
    Tensor::cat(tiles.into_iter().map(stage).collect(), 0)
}
