//! Propagation along trajectories: finds the frame and position that each pixel of a hole is copied
//! from.

mod alignment;
pub mod source;
pub mod source_search;
mod trajectory;
