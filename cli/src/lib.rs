//! What the commands share.

pub mod demo;
pub mod memory;
pub mod monitor;
pub mod output;
pub mod recode;
pub mod weights;
