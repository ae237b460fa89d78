//! The hole of a frame: its connected regions and the pixels near it that are safe to copy.

pub mod region;
pub mod source_map;
