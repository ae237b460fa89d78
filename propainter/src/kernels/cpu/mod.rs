//! The parts that the CPU forms share.
//!
//! - `bilinear`: gradients of bilinear samples, for training
//! - `host_view`: tensors of the CPU device as slices
//! - `micro_kernel`: the register-blocked matrix product under every dense kernel
//! - `panels`: rows interleaved for the micro-kernel
//! - `math`: vectorisable transcendental functions
//! - `scratch`: memory that a thread reuses

#[cfg(feature = "training")]
pub mod bilinear;
pub mod host_view;
pub mod math;
pub mod micro_kernel;
pub mod panels;
pub mod scratch;
