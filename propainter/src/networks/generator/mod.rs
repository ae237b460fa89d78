//! The generator: features of a window's frames, carried along the flows, filled in by a
//! transformer, and decoded (spec sections 5 and 6).

pub mod attention;
pub(crate) mod decoder;
pub(crate) mod encoder;
mod feature_propagation;
mod feed_forward;
mod guides;
mod tokens;
pub mod transformer;
pub mod windows;

use burn::tensor::{Device, Tensor};

use self::decoder::Reach;
pub use self::{
    decoder::Decoder,
    encoder::Encoder,
    feature_propagation::FeaturePropagation,
    feed_forward::FeedForward,
    guides::{Flows, Guides, quarter},
    tokens::{SoftComposition, SoftSplit},
    transformer::{Block, Transformer},
};
use super::pace::Strips;
use crate::{Area, Cancel, Error, weights::Checkpoint};

/// Channels of the features.
const FEATURES: usize = 128;
/// Channels of the tokens.
const CHANNELS: usize = 512;
/// Elements of a stage's widest tensor that may exist at once, where its frames are
/// independent: 64 MB, or one frame.
pub const TILE: usize = 1 << 24;

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
    /// [`Generator::encode`]'s features of the local frames, `[L, 128, H/4, W/4]`.
    pub features: Tensor<4>,
    /// [`Generator::tokens`] of the references, `[R, rows, columns, 512]`; `None` without any.
    pub references: Option<Tensor<4>>,
    /// Of the local frames.
    pub guides: Guides,
    /// What is wanted of each local frame's picture; nothing of a frame without a hole.
    pub wanted: Vec<Area>,
}

impl GeneratorInput {
    /// All of so many frames with features of these rows and columns.
    pub fn everything(locals: usize, features: [usize; 2]) -> Vec<Area> {
        vec![Area::whole(features.map(|side| 4 * side)); locals]
    }
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
        strips: Strips,
    ) -> Tensor<4> {
        let all = Tensor::cat(vec![updated, masks, updated_masks], 1);
        self.encoder.forward(all, strips.encoder_rows)
    }

    /// A reference frame's share in a window, which no window changes: its features
    /// `[B, 128, H/4, W/4]` as tokens `[B, rows, columns, 512]`.
    pub fn tokens(&self, features: Tensor<4>) -> Tensor<4> {
        self.split.forward(features)
    }

    /// Gives what is wanted of each local frame, if anything, `[1, 3, rows, columns]` in [−1, 1],
    /// to `output`, in order.
    ///
    /// # Errors
    /// [`Error::Cancelled`], between frames and the halves of blocks; [`Error::Compute`] when the
    /// device fails before the masks are read back from it; what `output` returns.
    pub fn forward(
        &self,
        input: GeneratorInput,
        strips: Strips,
        cancel: &Cancel,
        output: &mut dyn FnMut(usize, Tensor<4>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let [_, _, height, width] = input.features.dims();
        let size = [height, width];
        let wanted = input.wanted.iter().enumerate();
        let wanted = wanted.filter(|(_, area)| !area.is_empty());
        let (read, reaches): (Vec<_>, Vec<_>) = wanted
            .map(|(t, area)| (t, Reach::of(size, area).known))
            .unzip();
        let Some(reach) = reaches.iter().cloned().reduce(|a, b| a.union(&b)) else {
            return Ok(());
        };
        let holes = windows::token_holes(&input.guides.holes()?, size);
        let local = self
            .propagation
            .forward(input.features, &input.guides, cancel)?;
        cancel.check()?;
        let own = self.split.forward(local.clone());
        let tokens = match input.references {
            Some(references) => Tensor::cat(vec![own, references], 0),
            None => own,
        };
        let asked = tokens::needed(size, &reach);
        let tokens = self
            .transformer
            .forward(tokens, &read, &asked, size, &holes, cancel)?;
        for (place, (&t, known)) in read.iter().zip(&reaches).enumerate() {
            cancel.check()?;
            let tokens = tokens.clone().narrow(0, place, 1);
            let own = local.clone().narrow(0, t, 1);
            let own = known.cut(own, 2, &Area::whole(size));
            let features = self.composition.part(tokens, &asked, size, known) + own;
            let (area, strips) = (&input.wanted[t], strips.decoder_rows);
            output(t, self.decoder.part(features, known, size, area, strips))?;
        }
        Ok(())
    }
}

/// Applies `stage` to as many frames at a time as `TILE` allows, `elements` being those of one
/// frame's widest tensor.
fn in_tiles(x: Tensor<4>, elements: usize, stage: impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
    let tiles = x.split((TILE / elements).max(1), 0);
    Tensor::cat(tiles.into_iter().map(stage).collect(), 0)
}
