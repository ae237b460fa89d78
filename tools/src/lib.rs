//! What the commands share.

pub mod weights;
