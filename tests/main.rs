//! Every integration test in one binary: LLVM is linked once.

mod e2e;
mod goldens;
mod kernels;
mod weights;
mod windows;
