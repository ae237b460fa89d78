//! Every integration test in one binary: LLVM is linked once.

mod architecture;
mod classical;
mod cli;
mod cpus;
mod e2e;
mod element;
mod folders;
mod fuzz;
mod goldens;
mod gpu;
mod kernels;
mod pipelines;
mod planner;
mod schedule;
mod session;
mod soak;
mod stream;
mod weights;

#[global_allocator]
static COUNTING: propainter_tests::allocation::Counting = propainter_tests::allocation::Counting;
