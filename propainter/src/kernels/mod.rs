//! Our own kernels. Each has a plain twin written in tensor operations, which runs
//! on every device, and a fast form for the CPU that works on slices in parallel;
//! a test holds the two together.
//!
//! - [`warp`]: sampling a picture along a flow, and the forward–backward check
//! - [`deform_conv`]: modulated deformable convolution
//! - [`fold`]: pictures as overlapping patches and back
//! - [`attention`]: scaled dot-product attention
//! - [`gelu`]: the activation of the feed-forward
//! - [`host`]: how CPU tensors become slices and back

pub mod attention;
pub mod deform_conv;
pub mod fold;
pub mod gelu;
pub mod host;
pub mod warp;
