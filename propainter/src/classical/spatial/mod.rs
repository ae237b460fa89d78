//! Fills within a single frame: by diffusion and by exemplars.

mod detail;
pub mod diffusion;
pub mod exemplar;
pub mod extension;
mod image;
mod patch_match;
mod peel;
