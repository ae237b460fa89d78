//! Fills within a single frame.

pub mod diffusion;
pub mod exemplar;
mod patch_match;
