//! Fills within a single frame: by diffusion and by exemplars.

pub mod diffusion;
pub mod exemplar;
pub mod extension;
mod patch_match;
