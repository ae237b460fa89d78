//! Our own kernels. Each has a plain twin written in tensor operations, which runs
//! on every device, and a fast form for the CPU that works on slices in parallel;
//! a test holds the two together.
//!
//! - [`warp`]: sampling a picture along a flow, and the forward–backward check
//! - [`deform_conv`]: modulated deformable convolution
//! - [`correlation`]: RAFT's correlation pyramid, kept or looked up from features
//! - [`gates`]: a GRU's gates after its convolutions
//! - [`instance_norm`]: instance norm with its ReLU
//! - [`host`]: how CPU tensors become slices and back

pub mod correlation;
pub mod deform_conv;
pub mod gates;
pub mod host;
pub mod instance_norm;
pub mod warp;
