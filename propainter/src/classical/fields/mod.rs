//! Smooth fields on a coarse grid, and how they are interpolated.

pub mod flow_field;
pub mod grid;
pub mod membrane;
pub mod pull_push;
pub mod row_spans;
