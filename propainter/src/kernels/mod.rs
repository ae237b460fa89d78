//! Our own kernels. Each has a plain twin written in tensor operations, which runs
//! on every device, and a fast form for the CPU that works on slices in parallel;
//! a test holds the two together. Both take numbers of 16 bits, too, and give back what they
//! take; sums are taken in 32.
//!
//! - [`warp`]: sampling a picture along a flow, and the forward–backward check
//! - [`conv2d`], [`linear`], [`deform_conv`]: the layers with weights
//! - [`upsample`]: ×2, bilinear
//! - [`attention_cpu`]: the CPU's form of attention
//! - [`correlation`]: RAFT's correlation pyramid, kept or looked up from features
//! - [`gates`]: a GRU's gates after its convolutions
//! - [`instance_norm`]: instance norm with its ReLU
//! - [`fold`]: pictures as overlapping patches and back
//! - [`attention`]: scaled dot-product attention
//! - [`gelu`]: the activation of the feed-forward
//! - [`cube`]: the forms for cards
//! - `area`: what parts of pictures are computed from
//! - [`host`]: how CPU tensors become slices and back
//! - [`wide`]: arithmetic in 32 bits on numbers kept in 16
//! - [`work`]: how much the layers compute
//! - `tile`, `toom_cook`, `math`: what the CPU's forms are made of

mod area;
pub mod attention;
pub mod attention_cpu;
pub mod conv2d;
mod conv_direct;
mod conv_short;
pub mod correlation;
pub mod cube;
pub mod deform_conv;
mod deform_sample;
pub mod fold;
pub mod gates;
pub mod gelu;
mod grid;
pub mod host;
pub mod instance_norm;
pub mod linear;
mod math;
mod patch;
mod scratch;
mod tile;
pub(crate) mod toom_cook;
pub mod upsample;
pub mod warp;
pub mod wide;
pub mod work;

use crate::isa;
