//! Every integration test in one binary: LLVM is linked once.

mod goldens;
mod kernels;
mod weights;
mod windows;
