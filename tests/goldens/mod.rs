//! Each network and primitive against the official networks' outputs, stage by stage.

mod image_propagation;
mod primitives;
