//! The transformer: eight blocks of window attention and fusion feed-forward (spec section 6).

use burn::tensor::{Device, Tensor};

use super::{
    attention::{DeviceAttentionPlan, WindowAttention},
    attention_plan::BlockScope,
    feed_forward::FeedForward,
    token_grid::TokenGrid,
    tokens::{around, covered},
};
use crate::{
    Cancel, Error, Rect,
    kernels::{layer_norm::layer_norm, upcast::upcast},
    networks::parameters::{ParameterSource, parameter},
};

/// Block i takes keys from every `DILATION`-th frame, starting with frame i mod `DILATION`.
const DILATION: usize = 2;

/// The transformer of the generator.
#[derive(Debug)]
pub struct Transformer {
    /// The blocks, in order.
    pub blocks: [TransformerBlock; 8],
}

impl Transformer {
    /// Reads the transformer from the generator's parameters.
    pub fn init(source: &dyn ParameterSource, device: &Device) -> Self {
        let block = |i| TransformerBlock::init(source, i, device);
        Self {
            blocks: [0, 1, 2, 3, 4, 5, 6, 7].map(block),
        }
    }

    /// Computes the part `tokens` of the tokens of the frames `read`.
    ///
    /// - `x`: the tokens of all frames, `[frames, rows, columns, 512]`
    /// - `read`: frame indices, ascending
    /// - `features`: the rows and columns of the features
    /// - `masked`: for each token, whether its patch contains mask pixels of a local frame
    ///
    /// # Errors
    /// [`Error::Cancelled`] between the halves of blocks.
    pub fn forward(
        &self,
        mut x: Tensor<4>,
        read: &[usize],
        tokens: &Rect,
        features: [usize; 2],
        masked: &[bool],
        cancel: &Cancel,
    ) -> Result<Tensor<4>, Error> {
        let grid = TokenGrid::over(features);
        // The feed-forward of the last block also reads the tokens around.
        let asked = around(features, tokens);
        let mut plans: Vec<DeviceAttentionPlan> = Vec::new();
        let scopes = block_scopes(grid, x.dims()[0], (read, &asked), self.blocks.len());
        for (block, scope) in self.blocks.iter().zip(&scopes) {
            cancel.check()?;
            let index = plans.iter().position(|plan| plan.scope() == scope);
            let index = index.unwrap_or_else(|| {
                plans.push(DeviceAttentionPlan::new(grid, scope, masked, &x.device()));
                plans.len() - 1
            });
            x = block.attend(x, &plans[index]);
            cancel.check()?;
            x = block.feed_forward(x, covered(features, &scope.tokens).size());
        }
        // At the cut the neighbours were missing.
        Ok(tokens.crop(x, 1, &asked))
    }
}

/// Returns the scope of each block. The last block computes only the frames and the part of their
/// tokens that are given; every other block computes the frames that a later one reads.
pub fn block_scopes(
    grid: TokenGrid,
    frames: usize,
    (read, tokens): (&[usize], &Rect),
    blocks: usize,
) -> Vec<BlockScope> {
    let (mut read, mut tokens) = (read.to_vec(), tokens.clone());
    let mut scopes = Vec::with_capacity(blocks);
    for block in (0..blocks).rev() {
        let is_key = |frame: usize| frame % DILATION == block % DILATION;
        let is_input = |&frame: &usize| block == 0 || is_key(frame) || read.contains(&frame);
        let input: Vec<_> = (0..frames).filter(is_input).collect();
        let places = |keep: &dyn Fn(usize) -> bool| {
            let frames = input.iter().enumerate().filter(|(_, frame)| keep(**frame));
            frames.map(|(place, _)| place).collect()
        };
        scopes.push(BlockScope {
            frames: input.len(),
            queries: places(&|frame| read.contains(&frame)),
            tokens,
            keys: places(&is_key),
        });
        read = input;
        tokens = grid.whole();
    }
    scopes.reverse();
    scopes
}

/// One block: x + attention(norm(x)), then x + feed-forward(norm(x)).
#[derive(Debug)]
pub struct TransformerBlock {
    norms: [LayerNorm; 2],
    /// The attention.
    pub attention: WindowAttention,
    /// The feed-forward.
    pub feed_forward: FeedForward,
}

impl TransformerBlock {
    /// Reads block `index` from the generator's parameters.
    pub fn init(source: &dyn ParameterSource, index: usize, device: &Device) -> Self {
        let key = format!("transformers.transformer.{index}");
        let norm = |name| LayerNorm::init(source, &format!("{key}.{name}"), device);
        let attention = format!("{key}.attention");
        Self {
            norms: ["norm1", "norm2"].map(norm),
            attention: WindowAttention::init(source, &attention, device),
            feed_forward: FeedForward::init(source, &format!("{key}.mlp"), device),
        }
    }

    /// Computes the queried tokens of `plan`, which lie over `features`, from the tokens
    /// `[frames, rows, columns, 512]`.
    pub fn forward(
        &self,
        x: Tensor<4>,
        features: [usize; 2],
        plan: &DeviceAttentionPlan,
    ) -> Tensor<4> {
        self.feed_forward(self.attend(x, plan), features)
    }

    /// Does the first half, the attention.
    fn attend(&self, x: Tensor<4>, plan: &DeviceAttentionPlan) -> Tensor<4> {
        let normed = self.norms[0].forward(x.clone(), plan.spare_rows());
        self.attention.forward_added(normed, x, plan)
    }

    /// Does the second half, the feed-forward.
    fn feed_forward(&self, x: Tensor<4>, features: [usize; 2]) -> Tensor<4> {
        let shape = x.dims();
        let normed = self.norms[1].forward(x.clone(), 0).reshape(shape);
        self.feed_forward.forward(normed, Some(x), features)
    }
}

/// The parameters of a layer norm, in 32 bits.
#[derive(Debug)]
struct LayerNorm {
    gain: Tensor<1>,
    shift: Tensor<1>,
}

impl LayerNorm {
    fn init(source: &dyn ParameterSource, key: &str, device: &Device) -> Self {
        Self {
            gain: upcast(parameter(source, &format!("{key}.weight"), device)),
            shift: upcast(parameter(source, &format!("{key}.bias"), device)),
        }
    }

    /// Normalises the last axis, as rows, and appends `spare` rows of zeros.
    fn forward(&self, x: Tensor<4>, spare: usize) -> Tensor<2> {
        layer_norm(x.flatten(0, 2), &self.gain, &self.shift, spare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_compute_only_frames_that_are_read_later() {
        let grid = TokenGrid::over([60, 108]);
        let tokens = Rect::new([3..7, 10..19]);
        let scopes = block_scopes(grid, 8, (&[0, 1, 2], &tokens), 4);
        assert!(
            scopes[..3]
                .iter()
                .all(|scope| scope.tokens.pixels() == grid.tokens())
        );
        assert_eq!(scopes[3].tokens, tokens);
        let all: Vec<_> = (0..8).collect();
        for (block, keys) in [(0, vec![0, 2, 4, 6]), (1, vec![1, 3, 5, 7])] {
            assert_eq!((scopes[block].frames, &scopes[block].queries), (8, &all));
            assert_eq!(scopes[block].keys, keys);
        }
        // Read later: the local frames and, by the last block, 3, 5 and 7.
        assert_eq!(scopes[2].queries, [0, 1, 2, 3, 5, 7]);
        assert_eq!(scopes[3].frames, 6);
        assert_eq!(scopes[3].keys, [1, 3, 4, 5]);
        assert_eq!(scopes[3].queries, [0, 1, 2]);
    }

    #[test]
    fn a_single_frame_gives_keys_to_even_blocks_only() {
        let grid = TokenGrid::over([8, 8]);
        let scopes = block_scopes(grid, 1, (&[0], &Rect::whole([3, 3])), 8);
        for (block, scope) in scopes.iter().enumerate() {
            assert_eq!((scope.frames, &scope.queries[..]), (1, &[0][..]));
            assert_eq!(scope.keys.len(), 1 - block % 2);
        }
    }
}
