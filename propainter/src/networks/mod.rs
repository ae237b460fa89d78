//! The networks of ProPainter. They map tensors to tensors, and know nothing of windows, budgets or
//! buffers.

pub mod flow_completion;
pub mod generator;
pub mod image_propagation;
pub mod layers;
pub mod parameters;
mod precision;
pub mod raft;
pub mod stored;
pub mod strips;
