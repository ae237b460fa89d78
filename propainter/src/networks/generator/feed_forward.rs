//! The fusion feed-forward: between its linear layers, the tokens become overlapping patches, which are
//! averaged where they overlap (spec section 6).

use burn::tensor::{Device, Tensor};

use super::{CHANNELS, frames_at_once, in_tiles, patches::PatchLayer};
use crate::{
    kernels::fold,
    networks::{layers::Linear, parameters::ParameterSource},
};

/// Channels of the averaged image.
const HIDDEN: usize = 40;

/// The feed-forward part of a transformer block.
#[derive(Debug)]
pub struct FeedForward {
    expand: Linear,
    contract: PatchLayer,
}

impl FeedForward {
    /// Reads `{key}.fc1.0` and `{key}.fc2.1`.
    pub fn init(source: &dyn ParameterSource, key: &str, device: &Device) -> Self {
        Self {
            expand: Linear::init(source, &format!("{key}.fc1.0"), device),
            contract: PatchLayer::init(source, &format!("{key}.fc2.1"), device),
        }
    }

    /// Applies the feed-forward to tokens `[frames, rows, columns, 512]`, which lie over features with
    /// the given rows and columns, and adds `addend`. Returns the same shape.
    pub fn forward(
        &self,
        x: Tensor<4>,
        addend: Option<Tensor<4>>,
        features: [usize; 2],
    ) -> Tensor<4> {
        let [_, rows, columns, _] = x.dims();
        let device = x.device();
        let tokens = rows * columns;
        let frames = frames_at_once(&device, tokens * HIDDEN * fold::AREA);
        in_tiles(x, addend, frames, |x, addend| {
            let frames = x.dims()[0];
            let patches = self.expand.forward(x.reshape([frames, tokens, CHANNELS]));
            // GELU is element-wise and maps zero to zero. Before the unfolding it gives the same
            // result from a fifth of the elements.
            let weights = || fold::mean_weights(features, &device);
            let image = fold::fold_mean_gelu(patches, features, weights);
            self.contract.forward(image, addend)
        })
    }
}
