//! Each network and primitive against the official networks' outputs, stage by stage.

mod flow_completion;
mod generator;
mod image_propagation;
mod precision;
mod primitives;
mod raft;
mod travelling;
