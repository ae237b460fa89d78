//! The hole of a frame: its regions and the pixels around it that may be copied.

pub mod region;
pub mod source_map;
