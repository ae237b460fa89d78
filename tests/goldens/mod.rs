//! Each network and primitive against the official networks' outputs, stage by stage.

mod flow_completion;
mod image_propagation;
mod primitives;
mod raft;
