//! From features to tokens and back (spec section 6).

use std::ops::Range;

use burn::tensor::{Device, Tensor};

use super::{CHANNELS, FEATURES, in_tiles, windows::Grid};
use crate::{
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

    /// Rows `band` of what [`forward`](Self::forward) gives, from the tokens that they depend on.
    pub fn band(&self, tokens: Tensor<4>, features: [usize; 2], band: Range<usize>) -> Tensor<4> {
        let [height, width] = features;
        let rows = tokens.dims()[1];
        // The convolution looks a row further; a row is the sum of all patches that cover it.
        let needed = band.start.saturating_sub(1)..(band.end + 1).min(height);
        // From a tile of the CPU's convolutions on, so that the last bit is the same.
        let first = fold::covering(needed.start, rows).start / OUTPUTS * OUTPUTS;
        let end = fold::covering(needed.end - 1, rows).end;
        // Their patches on features that begin with the first one's middle.
        let origin = fold::STRIDE * first;
        let part = [(height - origin).min(fold::STRIDE * (end - first)), width];
        let composed = self.forward(tokens.narrow(1, first, end - first), part);
        composed.narrow(2, band.start - origin, band.len())
    }
}
