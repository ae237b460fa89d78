//! Video formats: what of a frame is written.

mod canvas;
mod frames;
mod interlaced;
