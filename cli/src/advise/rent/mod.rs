//! Machines to rent.
//!
//! - [`prices`]: price lists
//! - [`cost`]: what a job costs on each machine

pub mod cost;
pub mod prices;
