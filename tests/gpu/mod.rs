//! The CUDA path: kernels beside their reference forms, whole sessions on the virtual GPU, and what the
//! virtual GPU computes.

mod assemble;
mod check;
mod computed;
mod cuda_memory;
mod driver;
mod kernels;
mod memory;
mod problems;
mod self_test;
mod stored;
mod toolkit;
