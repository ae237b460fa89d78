//! Composition of a frame's fill, without visible seams.

mod border;
pub mod compose;
mod resample;
mod seam;
