//! Every integration test in one binary: LLVM is linked once.

mod e2e;
mod element;
mod goldens;
mod kernels;
mod pipelines;
mod session;
mod weights;
mod propagation;
mod windows;
