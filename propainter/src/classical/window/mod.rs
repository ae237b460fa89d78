//! The window of frames that fills are computed from, and its memory budget.

pub mod budget;
pub mod bytes;
pub mod footprint;
pub mod frame;
