//! Plans how the networks use memory, and watches that they keep to the plan.
//!
//! - [`bytes`]: the bytes that each stage needs, as a function of sizes and the plan
//! - [`planner`]: from a budget to a [`Plan`], and the quality that is given up where none fits
//! - `guard`: measures each stage and changes the plan where the budget is exceeded

pub mod bytes;
mod guard;
mod plan;
pub mod planner;

pub use bytes::Needs;
pub(crate) use guard::{Guard, Share};
pub use plan::Plan;
