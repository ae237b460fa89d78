//! Eight blocks of window attention and fusion feed-forward (spec section 6).

use burn::tensor::{Device, Tensor, module};

use super::{
    attention::{Routes, WindowAttention},
    feed_forward::FeedForward,
    tokens::{around, covered},
    windows::{Grid, Roles},
};
use crate::{
    Area, Cancel, Error,
    kernels::wide::{wide, widened},
    networks::layers::parameter,
    weights::Checkpoint,
};

/// Block i takes keys from every `DILATION`-th frame, the first being i mod `DILATION`.
const DILATION: usize = 2;
const EPSILON: f64 = 1e-5;

/// The transformer of the generator.
#[derive(Debug)]
pub struct Transformer {
    pub blocks: [Block; 8],
}

impl Transformer {
    pub fn init(checkpoint: &Checkpoint, device: &Device) -> Self {
        let block = |i| Block::init(checkpoint, i, device);
        Self {
            blocks: [0, 1, 2, 3, 4, 5, 6, 7].map(block),
        }
    }

    /// Tokens of all frames `[frames, rows, columns, 512]` to the area `tokens` of those of the
    /// frames `read`, ascending. `features`: rows and columns of the features; `holes`: the tokens
    /// that see a hole of a local frame.
    ///
    /// # Errors
    /// [`Error::Cancelled`], between the halves of blocks.
    pub fn forward(
        &self,
        mut x: Tensor<4>,
        read: &[usize],
        tokens: &Area,
        features: [usize; 2],
        holes: &[bool],
        cancel: &Cancel,
    ) -> Result<Tensor<4>, Error> {
        let grid = Grid::over(features);
        // The feed-forward of the last block looks around.
        let asked = around(features, tokens);
        let mut known: Vec<Routes> = Vec::new();
        let roles = roles(grid, x.dims()[0], (read, &asked), self.blocks.len());
        for (block, roles) in self.blocks.iter().zip(&roles) {
            cancel.check()?;
            let index = known.iter().position(|routes| routes.roles() == roles);
            let index = index.unwrap_or_else(|| {
                known.push(Routes::new(grid, roles, holes, &x.device()));
                known.len() - 1
            });
            x = block.attend(x, &known[index]);
            cancel.check()?;
            x = block.feed_forward(x, covered(features, &roles.tokens).size());
        }
        // Next to a cut, neighbours were missing.
        Ok(tokens.cut(x, 1, &asked))
    }
}

/// What each block does with each frame: the last answers for some frames and an area of their
/// tokens only, `read`, and every other for the frames that a later one reads.
pub fn roles(
    grid: Grid,
    frames: usize,
    (read, tokens): (&[usize], &Area),
    blocks: usize,
) -> Vec<Roles> {
    let (mut read, mut tokens) = (read.to_vec(), tokens.clone());
    let mut roles = Vec::with_capacity(blocks);
    for block in (0..blocks).rev() {
        let is_key = |frame: usize| frame % DILATION == block % DILATION;
        let is_input = |&frame: &usize| block == 0 || is_key(frame) || read.contains(&frame);
        let input: Vec<_> = (0..frames).filter(is_input).collect();
        let places = |keep: &dyn Fn(usize) -> bool| {
            let frames = input.iter().enumerate().filter(|(_, frame)| keep(**frame));
            frames.map(|(place, _)| place).collect()
        };
        roles.push(Roles {
            frames: input.len(),
            queries: places(&|frame| read.contains(&frame)),
            tokens,
            keys: places(&is_key),
        });
        read = input;
        tokens = grid.whole();
    }
    roles.reverse();
    roles
}

/// One block: x + attention(norm(x)), then x + feed-forward(norm(x)).
#[derive(Debug)]
pub struct Block {
    norms: [LayerNorm; 2],
    pub attention: WindowAttention,
    pub feed_forward: FeedForward,
}

impl Block {
    fn init(checkpoint: &Checkpoint, index: usize, device: &Device) -> Self {
        let key = format!("transformers.transformer.{index}");
        let norm = |name| LayerNorm::init(checkpoint, &format!("{key}.{name}"), device);
        let attention = format!("{key}.attention");
        Self {
            norms: ["norm1", "norm2"].map(norm),
            attention: WindowAttention::init(checkpoint, &attention, device),
            feed_forward: FeedForward::init(checkpoint, &format!("{key}.mlp"), device),
        }
    }

    /// Tokens `[frames, rows, columns, 512]` to those that `routes` ask about, which lie over
    /// `features`.
    pub fn forward(&self, x: Tensor<4>, features: [usize; 2], routes: &Routes) -> Tensor<4> {
        self.feed_forward(self.attend(x, routes), features)
    }

    /// The first half.
    fn attend(&self, x: Tensor<4>, routes: &Routes) -> Tensor<4> {
        let attended = self
            .attention
            .forward(self.norms[0].forward(x.clone()), routes);
        attended + routes.asked(x)
    }

    /// The second half.
    fn feed_forward(&self, x: Tensor<4>, features: [usize; 2]) -> Tensor<4> {
        let normed = self.norms[1].forward(x.clone());
        self.feed_forward.forward(normed, features) + x
    }
}

/// Computes in 32 bits.
#[derive(Debug)]
struct LayerNorm {
    gain: Tensor<1>,
    shift: Tensor<1>,
}

impl LayerNorm {
    fn init(checkpoint: &Checkpoint, key: &str, device: &Device) -> Self {
        Self {
            gain: wide(parameter(checkpoint, &format!("{key}.weight"), device)),
            shift: wide(parameter(checkpoint, &format!("{key}.bias"), device)),
        }
    }

    /// Normalises the last axis.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        widened(x, |x| {
            module::layer_norm(x, self.gain.clone(), Some(self.shift.clone()), EPSILON)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_answer_only_for_frames_that_are_read_later() {
        let grid = Grid::over([60, 108]);
        let tokens = Area::of([3..7, 10..19]);
        let roles = roles(grid, 8, (&[0, 1, 2], &tokens), 4);
        assert!(
            roles[..3]
                .iter()
                .all(|roles| roles.tokens.pixels() == grid.tokens())
        );
        assert_eq!(roles[3].tokens, tokens);
        let all: Vec<_> = (0..8).collect();
        for (block, keys) in [(0, vec![0, 2, 4, 6]), (1, vec![1, 3, 5, 7])] {
            assert_eq!((roles[block].frames, &roles[block].queries), (8, &all));
            assert_eq!(roles[block].keys, keys);
        }
        // Read later: the local frames and, by the last block, 3, 5 and 7.
        assert_eq!(roles[2].queries, [0, 1, 2, 3, 5, 7]);
        assert_eq!(roles[3].frames, 6);
        assert_eq!(roles[3].keys, [1, 3, 4, 5]);
        assert_eq!(roles[3].queries, [0, 1, 2]);
    }

    #[test]
    fn a_single_frame_gives_keys_to_even_blocks_only() {
        let grid = Grid::over([8, 8]);
        let roles = roles(grid, 1, (&[0], &Area::whole([3, 3])), 8);
        for (block, roles) in roles.iter().enumerate() {
            assert_eq!((roles.frames, &roles.queries[..]), (1, &[0][..]));
            assert_eq!(roles.keys.len(), 1 - block % 2);
        }
    }
}
