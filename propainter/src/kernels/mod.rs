//! The operations that the networks are made of, a folder each.
//!
//! An operation has up to three forms, which give the same result but for rounding:
//!
//! - the **reference form** in `mod.rs`, written in operations of the tensor library. It runs on
//!   every device and is named `…_reference`.
//! - the **CPU form** in `cpu.rs`, which reads tensors as slices, computes in parallel, and is
//!   compiled for each instruction set of [`isa`](crate::device::isa).
//! - the **GPU form** in `cube.rs`, written in CubeCL. One source serves CUDA and CubeCL's CPU
//!   runtime, on which the tests run it.
//!
//! For training, some operations also have a backward pass of their own in `backward.rs`; the tensor
//! library derives that of the others from their reference form. Recorded operations keep what their
//! backward pass reads (`recorded`).
//!
//! `mod.rs` also holds the operation's types and the function that callers use; it takes the fast
//! form for the device that the tensors are on. A test holds every fast form to the reference form.
//! All forms take and return tensors of 32 or of 16 bits, and accumulate sums in 32 bits.
//!
//! Layers with weights: [`conv`], [`deform_conv`], [`linear`]. Optical flow: [`warp`] (with the
//! forward–backward check), [`correlation`], [`gates`], [`instance_norm`], [`residual`],
//! [`convex_upsample`]; its completion: [`flow_input`], [`replicate_pad`], [`quarter_flow`]. Images: [`pixels`],
//! [`propagation`]. Decoders: [`upsample`], [`crop_tanh`]. Transformer: [`attention`], [`fold`],
//! [`gelu`], [`layer_norm`], [`token_pool`]. Joining tensors: [`mod@concat`]. Ends of networks:
//! [`elementwise`].
//!
//! Shared by all: [`device`] (the tensor library's devices), [`pools`] (their memory pools),
//! [`upcast`] (arithmetic in 32 bits), [`flops`] (the floating-point operations that the layers ask
//! for), `receptive_field` (the input that a part of an output depends on), `activation`. The CPU
//! forms are made of the parts in `cpu`, the GPU forms of those in `cube` and `cube_math`. Layers with weights are
//! matrix products on a GPU (`gemm`).

mod activation;
pub mod attention;
pub mod concat;
pub mod conv;
pub mod convex_upsample;
pub mod correlation;
mod cpu;
pub mod crop_tanh;
mod cube;
mod cube_math;
pub mod deform_conv;
pub mod device;
pub mod elementwise;
pub mod flops;
pub mod flow_input;
pub mod fold;
pub mod gates;
pub mod gelu;
mod gemm;
pub mod instance_norm;
pub mod layer_norm;
pub mod linear;
pub mod pixels;
pub mod pools;
pub mod propagation;
pub mod quarter_flow;
mod receptive_field;
#[cfg(feature = "training")]
pub mod recorded;
pub mod replicate_pad;
pub mod residual;
pub mod token_pool;
pub mod upcast;
pub mod upsample;
pub mod warp;
