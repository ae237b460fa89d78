//! Composition of a frame's fill, without visible seams.

pub mod compose;
mod resample;
mod seam;
