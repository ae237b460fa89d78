//! The memory of a training: how much each plan takes, which one fits a budget, and that it is kept.
//!
//! - [`plan`]: the choices
//! - [`bytes`]: what a step takes by a plan
//! - [`planner`]: from a budget to plans
//! - [`keeper`]: computes steps by a plan, and by a smaller one where memory runs out

pub mod bytes;
pub mod keeper;
pub mod plan;
pub mod planner;

pub use self::{
    bytes::{Bytes, Sizes},
    keeper::Keeper,
    plan::Plan,
    planner::{Planner, TooSmall},
};
