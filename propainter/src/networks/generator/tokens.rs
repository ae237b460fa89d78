//! Features as tokens, and tokens as features (spec section 6).

use burn::tensor::{Device, Tensor};

use super::{
    CHANNELS, FEATURES, frames_at_once, in_tiles, patches::PatchLayer, token_grid::TokenGrid,
};
use crate::{
    Rect,
    kernels::{conv::winograd::transform::OUTPUTS, device::by_operations, fold},
    networks::{
        layers::{Activation, Conv2d, ConvGeometry, Linear},
        parameters::ParameterSource,
    },
};

/// The soft split: embeds each of the overlapping patches of the features as a token.
#[derive(Debug)]
pub struct SoftSplit(PatchLayer);

impl SoftSplit {
    /// Reads the split from the generator's parameters.
    pub fn init(source: &dyn ParameterSource, device: &Device) -> Self {
        Self(PatchLayer::init(source, "ss.embedding", device))
    }

    /// Splits features into tokens: `[B, 128, H/4, W/4]` → `[B, rows, columns, 512]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [frames, _, height, width] = x.dims();
        let device = x.device();
        let at_once = match by_operations(&device) {
            true => {
                let tokens = TokenGrid::over([height, width]).tokens();
                frames_at_once(&device, tokens * FEATURES * fold::AREA)
            }
            false => frames,
        };
        in_tiles(x, None, at_once, |x, _| self.0.forward(x, None))
    }
}

/// The soft composition: sums tokens as overlapping patches of features.
#[derive(Debug)]
pub struct SoftComposition {
    embedding: Linear,
    smooth: Conv2d,
}

impl SoftComposition {
    /// Reads the composition from the generator's parameters.
    pub fn init(source: &dyn ParameterSource, device: &Device) -> Self {
        let geometry = ConvGeometry::default();
        Self {
            embedding: Linear::init(source, "sc.embedding", device),
            smooth: Conv2d::init(source, "sc.bias_conv", geometry, device),
        }
    }

    /// Composes tokens to features: `[B, rows, columns, 512]` → `[B, 128, H/4, W/4]`. `features` is
    /// `[H/4, W/4]`.
    pub fn forward(&self, tokens: Tensor<4>, features: [usize; 2]) -> Tensor<4> {
        self.smooth.forward(self.summed(tokens, features))
    }

    /// Sums tokens as overlapping patches, before they are smoothed.
    fn summed(&self, tokens: Tensor<4>, features: [usize; 2]) -> Tensor<4> {
        let [_, rows, columns, _] = tokens.dims();
        let count = rows * columns;
        let frames = frames_at_once(&tokens.device(), count * FEATURES * fold::AREA);
        in_tiles(tokens, None, frames, |tokens, _| {
            let frames = tokens.dims()[0];
            let patches = self
                .embedding
                .forward(tokens.reshape([frames, count, CHANNELS]));
            fold::fold(patches, features)
        })
    }

    /// Computes the part `area` of the result of [`forward`](Self::forward). `tokens` is the part
    /// `held` of the tokens; it contains the [`needed`] ones.
    pub fn part(
        &self,
        tokens: Tensor<4>,
        held: &Rect,
        features: [usize; 2],
        area: &Rect,
    ) -> Tensor<4> {
        let needed = needed(features, area);
        let covered = covered(features, &needed);
        let composed = self.forward(needed.crop(tokens, 1, held), covered.size());
        area.crop(composed, 2, &covered)
    }

    /// Adds a part of the result of [`forward`](Self::forward) that contains `area` to the same part
    /// of `features` `[B, 128, H/4, W/4]`. Returns the sum, which is right in `area`, and the part.
    /// `tokens` is as in [`part`](Self::part).
    pub fn added(
        &self,
        tokens: Tensor<4>,
        held: &Rect,
        features: Tensor<4>,
        area: &Rect,
    ) -> (Tensor<4>, Rect) {
        let [_, _, height, width] = features.dims();
        let size = [height, width];
        let needed = needed(size, area);
        let covered = covered(size, &needed);
        let summed = self.summed(needed.crop(tokens, 1, held), covered.size());
        let own = covered.crop(features, 2, &Rect::whole(size));
        let sum = self.smooth.forward_onto(&[&summed], own, Activation::None);
        (sum, covered)
    }
}

/// Returns the tokens that the part `area` of the composed features depends on.
pub fn needed(features: [usize; 2], area: &Rect) -> Rect {
    let tokens = fold::patches(features);
    area.receptive_field(1, features).map(|lines, axis| {
        // A pixel is the sum of all patches that cover it.
        let start = fold::covering(lines.start, tokens[axis]).start;
        // The features must start where a tile of the convolution starts.
        start / OUTPUTS * OUTPUTS..fold::covering(lines.end - 1, tokens[axis]).end
    })
}

/// Returns the tokens whose patches overlap those of `tokens`.
pub fn around(features: [usize; 2], tokens: &Rect) -> Rect {
    const REACH: usize = (fold::SIDE - 1) / fold::STRIDE;
    let all = fold::patches(features);
    tokens.map(|lines, axis| lines.start.saturating_sub(REACH)..(lines.end + REACH).min(all[axis]))
}

/// Returns the part of the features that `tokens` lie over, from the centre of the first token on. As
/// an image of its own, the part has exactly these tokens.
pub fn covered(features: [usize; 2], tokens: &Rect) -> Rect {
    tokens
        .map(|lines, axis| fold::STRIDE * lines.start..features[axis].min(fold::STRIDE * lines.end))
}
