//! Every integration test in one binary: LLVM is linked once.

mod goldens;
mod propagation;
mod windows;
