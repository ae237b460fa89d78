//! Video formats: what of a frame is written.

mod frames;
mod interlaced;
