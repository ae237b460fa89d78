//! The generator: encodes the frames of a window, propagates features along the flows, fills in with a
//! transformer, and decodes (spec sections 5 and 6).

pub mod attention;
pub mod attention_plan;
pub(crate) mod decoder;
pub(crate) mod encoder;
mod feature_propagation;
mod feed_forward;
mod quarter_scale;
pub mod token_grid;
mod tokens;
pub mod transformer;

use burn::tensor::{Device, Tensor};

pub use self::{
    decoder::Decoder,
    encoder::Encoder,
    feature_propagation::FeaturePropagation,
    feed_forward::FeedForward,
    quarter_scale::{Flows, QuarterScaleInputs, downscale_flow},
    tokens::{SoftComposition, SoftSplit},
    transformer::{Transformer, TransformerBlock},
};
use self::{decoder::ReceptiveField, token_grid::mask_tokens};
use super::strips::Strips;
use crate::{Cancel, Error, Rect, weights::Checkpoint};

/// Channels of the features.
const FEATURES: usize = 128;
/// Channels of the tokens.
const CHANNELS: usize = 512;
/// Most elements of a stage's widest tensor that exist at once, in stages whose frames are
/// independent: 64 MB, or one frame.
pub const TILE: usize = 1 << 24;

/// The network. Its fields are its stages, in order.
#[derive(Debug)]
pub struct Generator {
    /// Frames to features.
    pub encoder: Encoder,
    /// Features along the flows.
    pub propagation: FeaturePropagation,
    /// Features to tokens.
    pub split: SoftSplit,
    /// Tokens to tokens.
    pub transformer: Transformer,
    /// Tokens to features.
    pub composition: SoftComposition,
    /// Features to frames.
    pub decoder: Decoder,
}

/// The generator's input for a window: L consecutive local frames and R reference frames.
#[derive(Debug)]
pub struct GeneratorInput {
    /// The features of the local frames by [`Generator::encode`], `[L, 128, H/4, W/4]`.
    pub features: Tensor<4>,
    /// The tokens of the references by [`Generator::tokens`], `[R, rows, columns, 512]`; `None` if
    /// there are none.
    pub references: Option<Tensor<4>>,
    /// The flows and masks of the local frames.
    pub quarter_scale: QuarterScaleInputs,
    /// The part of each local frame to generate; empty for a frame without mask pixels.
    pub wanted: Vec<Rect>,
}

impl GeneratorInput {
    /// Returns the whole of each of `locals` frames, whose features have these rows and columns.
    pub fn everything(locals: usize, features: [usize; 2]) -> Vec<Rect> {
        vec![Rect::whole(features.map(|side| 4 * side)); locals]
    }
}

impl Generator {
    /// Reads the network from its checkpoint.
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

    /// Encodes frames. The features of a frame are the same in every window.
    ///
    /// - `updated`: frames after image propagation, `[B, 3, H, W]` in [−1, 1]
    /// - `masks`, `updated_masks`: `[B, 1, H, W]`, 1 inside the mask
    ///
    /// H and W are multiples of 8. Returns `[B, 128, H/4, W/4]`.
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

    /// Splits the features `[B, 128, H/4, W/4]` of reference frames into tokens
    /// `[B, rows, columns, 512]`. The tokens of a reference are the same in every window.
    pub fn tokens(&self, features: Tensor<4>) -> Tensor<4> {
        self.split.forward(features)
    }

    /// Generates the wanted part of each local frame and passes it to `output`, in order:
    /// `[1, 3, rows, columns]` in [−1, 1]. Frames of which nothing is wanted are left out.
    ///
    /// # Errors
    /// [`Error::Cancelled`] between the frames and between the halves of blocks; [`Error::Compute`]
    /// if the device fails before the masks are read from it; any error that `output` returns.
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
            .map(|(t, area)| (t, ReceptiveField::of(size, area).features))
            .unzip();
        let Some(reach) = reaches.iter().cloned().reduce(|a, b| a.union(&b)) else {
            return Ok(());
        };
        let masked = mask_tokens(&input.quarter_scale.mask_pixels()?, size);
        let local = self
            .propagation
            .forward(input.features, &input.quarter_scale, cancel)?;
        cancel.check()?;
        let own = self.split.forward(local.clone());
        let tokens = match input.references {
            Some(references) => Tensor::cat(vec![own, references], 0),
            None => own,
        };
        let asked = tokens::needed(size, &reach);
        let tokens = self
            .transformer
            .forward(tokens, &read, &asked, size, &masked, cancel)?;
        for (place, (&t, known)) in read.iter().zip(&reaches).enumerate() {
            cancel.check()?;
            let tokens = tokens.clone().narrow(0, place, 1);
            let own = local.clone().narrow(0, t, 1);
            let own = known.crop(own, 2, &Rect::whole(size));
            let features = self.composition.part(tokens, &asked, size, known) + own;
            let (area, strips) = (&input.wanted[t], strips.decoder_rows);
            output(t, self.decoder.part(features, known, size, area, strips))?;
        }
        Ok(())
    }
}

/// Applies `stage` to as many frames at a time as `TILE` allows. `elements` is the number of elements
/// of the widest tensor of one frame.
fn in_tiles(x: Tensor<4>, elements: usize, stage: impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
    let tiles = x.split((TILE / elements).max(1), 0);
    Tensor::cat(tiles.into_iter().map(stage).collect(), 0)
}
