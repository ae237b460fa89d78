//! Plans how the networks use memory, and watches that they keep to the plan.
//!
//! - [`bytes`]: the bytes that each stage needs, as a function of sizes and the plan
//! - [`planner`]: from a budget to a [`Plan`], and the quality that is given up where none fits
//! - `quality`: the levels that the planner goes down
//! - [`reservations`]: the bytes that the sessions of this process have reserved
//! - [`vram_budget`]: from the property `vram-budget` to bytes
//! - `guard`: measures each stage and changes the plan where the budget is exceeded

pub mod bytes;
mod guard;
pub mod planner;
mod quality;
pub mod reservations;
pub mod vram_budget;

pub use super::plan::Plan;
pub use bytes::Needs;
pub use guard::{DeviceAccess, Guard};
