//! From features to tokens and back (spec section 6).

use burn::tensor::{Device, Tensor};

use super::{CHANNELS, FEATURES, in_tiles, windows::Grid};
use crate::{
    Area,
    kernels::{fold, toom_cook::OUTPUTS},
    networks::layers::{Conv2d, Geometry, Linear},
    weights::Checkpoint,
};

/// Overlapping patches of the features, each embedded as a token.
#[derive(Debug)]
pub struct SoftSplit(Linear);

impl SoftSplit {
    pub fn init(checkpoint: &Checkpoint, device: &Device) -> Self {
        Self(Linear::init(checkpoint, "ss.embedding", device))
    }

    /// `[B, 128, H/4, W/4]` → `[B, rows, columns, 512]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let grid = Grid::over([height, width]);
        in_tiles(x, grid.tokens() * FEATURES * fold::AREA, |x| {
            let frames = x.dims()[0];
            let tokens = self.0.forward(fold::unfold(x));
            tokens.reshape([frames, grid.rows, grid.columns, CHANNELS])
        })
    }
}

/// Tokens as overlapping patches of features, summed.
#[derive(Debug)]
pub struct SoftComposition {
    embedding: Linear,
    smooth: Conv2d,
}

impl SoftComposition {
    pub fn init(checkpoint: &Checkpoint, device: &Device) -> Self {
        let geometry = Geometry::default();
        Self {
            embedding: Linear::init(checkpoint, "sc.embedding", device),
            smooth: Conv2d::init(checkpoint, "sc.bias_conv", geometry, device),
        }
    }

    /// `[B, rows, columns, 512]` → `[B, 128, H/4, W/4]`, `features` being (H/4, W/4)
    pub fn forward(&self, tokens: Tensor<4>, features: [usize; 2]) -> Tensor<4> {
        let [_, rows, columns, _] = tokens.dims();
        let count = rows * columns;
        in_tiles(tokens, count * FEATURES * fold::AREA, |tokens| {
            let frames = tokens.dims()[0];
            let patches = self
                .embedding
                .forward(tokens.reshape([frames, count, CHANNELS]));
            self.smooth.forward(fold::fold(patches, features))
        })
    }

    /// An area of what [`forward`](Self::forward) gives. `tokens` are the area `held` of the
    /// tokens, [`needed`] for the area at least.
    pub fn part(
        &self,
        tokens: Tensor<4>,
        held: &Area,
        features: [usize; 2],
        area: &Area,
    ) -> Tensor<4> {
        let needed = needed(features, area);
        let covered = covered(features, &needed);
        let composed = self.forward(needed.cut(tokens, 1, held), covered.size());
        area.cut(composed, 2, &covered)
    }
}

/// The tokens that an area of the composed features depends on.
pub fn needed(features: [usize; 2], area: &Area) -> Area {
    let tokens = fold::patches(features);
    area.read_by(1, features).map(|lines, axis| {
        // A line is the sum of all patches that cover it.
        let start = fold::covering(lines.start, tokens[axis]).start;
        // Features are cut where a tile begins.
        start / OUTPUTS * OUTPUTS..fold::covering(lines.end - 1, tokens[axis]).end
    })
}

/// The tokens that share pixels of the features with an area of tokens.
pub fn around(features: [usize; 2], tokens: &Area) -> Area {
    const REACH: usize = (fold::SIDE - 1) / fold::STRIDE;
    let all = fold::patches(features);
    tokens.map(|lines, axis| lines.start.saturating_sub(REACH)..(lines.end + REACH).min(all[axis]))
}

/// The features that an area of tokens lies over, from the first token's middle on. As a picture
/// by themselves they have these tokens.
pub fn covered(features: [usize; 2], tokens: &Area) -> Area {
    tokens
        .map(|lines, axis| fold::STRIDE * lines.start..features[axis].min(fold::STRIDE * lines.end))
}
