//! The generator: encodes the frames of a window, propagates features along the flows, fills in with a
//! transformer, and decodes (spec sections 5 and 6).

pub mod attention;
pub mod attention_plan;
pub(crate) mod decoder;
pub(crate) mod encoder;
pub mod feature_propagation;
mod feed_forward;
mod patches;
mod quarter_scale;
pub mod token_grid;
mod tokens;
pub mod transformer;

use std::ops::Range;

use burn::tensor::{Device, Tensor};

pub use self::{
    decoder::Decoder,
    encoder::Encoder,
    feature_propagation::FeaturePropagation,
    feed_forward::FeedForward,
    quarter_scale::{Flows, QuarterScaleInputs},
    tokens::{SoftComposition, SoftSplit},
    transformer::{Transformer, TransformerBlock},
};
use self::{decoder::ReceptiveField, token_grid::mask_tokens};
use super::{parameters::ParameterSource, strips::Strips};
use crate::{
    Cancel, Error, Rect,
    kernels::{concat::concat, device::is_cpu},
};

/// Channels of the features.
const FEATURES: usize = 128;
/// Channels of the tokens.
const CHANNELS: usize = 512;
/// Most elements of a stage's widest tensor that exist at once on the CPU, in stages whose frames are
/// independent: 64 MB, or one frame.
pub const TILE: usize = 1 << 24;
/// The same on a GPU, where every launch costs time: 128 MB in 32 bits, or one frame.
pub const GPU_TILE: usize = 1 << 25;

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

/// A part of consecutive local frames.
#[derive(Debug)]
pub struct Generated {
    /// The local frames.
    pub frames: Range<usize>,
    /// The part of each of them. It contains what is wanted of them.
    pub area: Rect,
    /// `[frames, 3, rows, columns]` in [−1, 1].
    pub images: Tensor<4>,
}

/// The generator's input for a window: L consecutive local frames and R reference frames.
#[derive(Debug)]
pub struct GeneratorInput {
    /// The features of the local frames by [`Generator::encode`], `[1, 128, H/4, W/4]` each.
    pub features: Vec<Tensor<4>>,
    /// The tokens of the references by [`Generator::tokens`], `[R, rows, columns, 512]` with any
    /// number of references each.
    pub references: Vec<Tensor<4>>,
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
    /// Reads the network from its parameters.
    pub fn init(source: &dyn ParameterSource, device: &Device) -> Self {
        Self {
            encoder: Encoder::init(source, device),
            propagation: FeaturePropagation::init(source, device),
            split: SoftSplit::init(source, device),
            transformer: Transformer::init(source, device),
            composition: SoftComposition::init(source, device),
            decoder: Decoder::init(source, device),
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
        self.encode_joined(all, strips)
    }

    /// Encodes frames as [`encode`](Self::encode) does. `x` `[B, 5, H, W]` are the three tensors, joined
    /// along the channels.
    pub fn encode_joined(&self, x: Tensor<4>, strips: Strips) -> Tensor<4> {
        self.encoder.forward(x, strips.encoder_rows)
    }

    /// Splits the features `[B, 128, H/4, W/4]` of reference frames into tokens
    /// `[B, rows, columns, 512]`. The tokens of a reference are the same in every window.
    pub fn tokens(&self, features: Tensor<4>) -> Tensor<4> {
        self.split.forward(features)
    }

    /// Generates the wanted part of each local frame and passes it to `output`, in order. Frames of
    /// which nothing is wanted are left out.
    ///
    /// # Errors
    /// [`Error::Cancelled`] between the frames and between the halves of blocks; any error that
    /// `output` returns.
    pub fn forward(
        &self,
        input: GeneratorInput,
        strips: Strips,
        cancel: &Cancel,
        output: &mut dyn FnMut(Generated) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(first) = input.features.first() else {
            return Ok(());
        };
        let ([_, _, height, width], device) = (first.dims(), first.device());
        let size = [height, width];
        let wanted = input.wanted.iter().enumerate();
        let wanted = wanted.filter(|(_, area)| !area.is_empty());
        let (read, areas): (Vec<_>, Vec<_>) = wanted.map(|(t, area)| (t, area.clone())).unzip();
        let reach = |area: &Rect| ReceptiveField::of(size, area).features;
        let Some(all) = areas.iter().map(reach).reduce(|a, b| a.union(&b)) else {
            return Ok(());
        };
        let masked = mask_tokens(&input.quarter_scale.mask_pixels, size);
        let local = self
            .propagation
            .forward(input.features, &input.quarter_scale, cancel)?;
        cancel.check()?;
        let mut tokens = vec![self.split.forward(local.clone())];
        tokens.extend(input.references);
        let asked = tokens::needed(size, &all);
        let tokens =
            self.transformer
                .forward(concat(tokens), &read, &asked, size, &masked, cancel)?;
        let mut place = 0;
        for (frames, area) in decoder::batches(&read, &areas, &device) {
            cancel.check()?;
            let tokens = tokens.clone().narrow(0, place, frames.len());
            place += frames.len();
            let own = local.clone().narrow(0, frames.start, frames.len());
            let (features, held) = self.composition.added(tokens, &asked, own, &reach(&area));
            let images = self
                .decoder
                .part(features, &held, size, &area, strips.decoder_rows);
            output(Generated {
                frames,
                area,
                images,
            })?;
        }
        Ok(())
    }
}

/// Returns how many frames a stage may compute at once whose widest tensor has `elements` elements a
/// frame.
fn frames_at_once(device: &Device, elements: usize) -> usize {
    let tile = if is_cpu(device) { TILE } else { GPU_TILE };
    (tile / elements).max(1)
}

/// Applies `stage` to `frames` frames of `x`, and of `addend`, at a time.
fn in_tiles(
    x: Tensor<4>,
    addend: Option<Tensor<4>>,
    frames: usize,
    stage: impl Fn(Tensor<4>, Option<Tensor<4>>) -> Tensor<4>,
) -> Tensor<4> {
    if frames >= x.dims()[0] {
        return stage(x, addend);
    }
    let split = |x: Tensor<4>| x.split(frames, 0).into_iter();
    let mut addends = addend.into_iter().flat_map(split);
    concat(split(x).map(|x| stage(x, addends.next())).collect())
}
