//! Every integration test in one binary: LLVM is linked once.

// Files import what their tests of the networks need; the build without networks leaves those out.
#![cfg_attr(not(feature = "networks"), allow(unused_imports))]

mod architecture;
mod classical;
mod cli;
#[cfg(feature = "networks")]
mod cpus;
#[cfg(feature = "networks")]
mod e2e;
mod element;
mod folders;
mod fuzz;
#[cfg(feature = "networks")]
mod goldens;
#[cfg(feature = "networks")]
mod gpu;
#[cfg(feature = "networks")]
mod kernels;
mod pipelines;
#[cfg(feature = "networks")]
mod planner;
mod schedule;
mod session;
mod soak;
#[cfg(feature = "networks")]
mod stream;
#[cfg(feature = "networks")]
mod weights;

#[global_allocator]
static COUNTING: propainter_tests::allocation::Counting = propainter_tests::allocation::Counting;
