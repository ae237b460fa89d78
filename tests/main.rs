//! Every integration test in one binary: LLVM is linked once.

mod cli;
mod cpus;
mod e2e;
mod element;
mod fuzz;
mod goldens;
mod kernels;
mod pipelines;
mod planner;
mod propagation;
mod session;
mod soak;
mod weights;
mod windows;

#[global_allocator]
static COUNTING: propainter_tests::allocation::Counting = propainter_tests::allocation::Counting;
