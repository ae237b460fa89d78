//! Optical flow between neighbouring frames by dense inverse search.

mod completion;
pub mod flow;
pub mod inverse_search;
mod luma;
pub mod patch;
mod patch_sums;
pub mod pyramid;
mod stillness;
pub mod template;
