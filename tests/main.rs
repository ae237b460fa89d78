//! Every integration test in one binary: LLVM is linked once.

mod element;
mod goldens;
mod pipelines;
mod windows;
