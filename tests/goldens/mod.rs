//! Each network and primitive against the official networks' outputs, stage by stage.

mod generator;
mod image_propagation;
mod primitives;
