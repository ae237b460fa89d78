//! The fusion feed-forward: between its linear layers, overlapping patches of the tokens are
//! averaged where they overlap (spec section 6).

use burn::tensor::{Device, Tensor};

use super::{CHANNELS, in_tiles};
use crate::{
    kernels::{fold, gelu::gelu, wide::widened},
    networks::layers::Linear,
    weights::Checkpoint,
};

/// Channels of the averaged picture.
const HIDDEN: usize = 40;

/// The feed-forward part of a transformer block.
#[derive(Debug)]
pub struct FeedForward {
    expand: Linear,
    contract: Linear,
}

impl FeedForward {
    pub fn init(checkpoint: &Checkpoint, key: &str, device: &Device) -> Self {
        Self {
            expand: Linear::init(checkpoint, &format!("{key}.fc1.0"), device),
            contract: Linear::init(checkpoint, &format!("{key}.fc2.1"), device),
        }
    }

    /// Tokens `[frames, rows, columns, 512]` over features of the given rows and columns.
    pub fn forward(&self, x: Tensor<4>, features: [usize; 2]) -> Tensor<4> {
        let [_, rows, columns, _] = x.dims();
        let weights = fold::mean_weights(features, &x.device());
        let tokens = rows * columns;
        in_tiles(x, tokens * HIDDEN * fold::AREA, |x| {
            let frames = x.dims()[0];
            let patches = self.expand.forward(x.reshape([frames, tokens, CHANNELS]));
            // GELU acts on single values and keeps zero: before cutting patches it is the
            // same, on a fifth of the values.
            let picture = widened(patches, |patches| {
                gelu(fold::fold(patches, features) * weights.clone())
            });
            let out = self.contract.forward(fold::unfold(picture));
            out.reshape([frames, rows, columns, CHANNELS])
        })
    }
}
