//! The window of frames and its memory.

pub mod budget;
pub mod footprint;
pub mod frame;
