//! The networks of ProPainter, tensors in and tensors out. They know no windows, no
//! budget and no buffer.

mod device;
mod dtype;
pub mod flow_completion;
pub mod generator;
pub mod image_propagation;
pub mod kept;
pub mod layers;
pub mod pace;
pub mod raft;
