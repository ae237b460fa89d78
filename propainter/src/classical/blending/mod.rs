//! Composes the fill of a frame and hides its seams.

pub mod compose;
mod resample;
mod seam;
