//! The memory of a training: how much each plan takes, which one fits a budget, and that it is kept.
//!
//! - [`plan`]: the choices
//! - [`keeper`]: computes steps by a plan, and by a smaller one where memory runs out

pub mod keeper;
pub mod plan;

pub use self::{keeper::Keeper, plan::Plan};
