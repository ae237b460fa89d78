//! What the commands share.

pub mod demo;
mod memory;
pub mod weights;
