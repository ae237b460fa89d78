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

use std::ops::Range;

use burn::tensor::{Device, Tensor};

use self::decoder::Span;
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
use crate::{Cancel, Error, weights::Checkpoint};

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
    /// The rows that are wanted of each local frame's picture; none of a frame without a hole.
    pub wanted: Vec<Range<usize>>,
}

impl GeneratorInput {
    /// All rows of so many frames, of features of `height` rows.
    pub fn everything(locals: usize, height: usize) -> Vec<Range<usize>> {
        vec![0..4 * height; locals]
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

    /// Gives the wanted rows of each local frame that has some, `[1, 3, rows, W]` in [−1, 1], to
    /// `output`, in order.
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
        let wanted = input.wanted.iter().enumerate();
        let read: Vec<_> = wanted
            .filter_map(|(t, rows)| (!rows.is_empty()).then_some(t))
            .collect();
        let tokens = self
            .transformer
            .forward(tokens, &read, size, &holes, cancel)?;
        for (place, &t) in read.iter().enumerate() {
            cancel.check()?;
            let rows = input.wanted[t].clone();
            let Span { known, .. } = Span::of(height, rows.clone());
            let tokens = tokens.clone().narrow(0, place, 1);
            let own = local.clone().narrow(0, t, 1);
            let own = own.narrow(2, known.start, known.len());
            let features = self.composition.band(tokens, size, known.clone()) + own;
            let strips = strips.decoder_rows;
            output(
                t,
                self.decoder
                    .band(features, known.start, height, rows, strips),
            )?;
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
