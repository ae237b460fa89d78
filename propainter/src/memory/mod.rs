//! How much memory a session takes, decided before it takes it.
//!
//! - [`bytes`]: what each stage needs, as a function of sizes
//! - [`planner`]: from a budget to a [`Plan`], and what is given up where none fits
//! - `guard`: the watch over the stages, which keeps to the budget
//! - [`meter`]: what the driver (`driver`), the system (`host`) or the allocator ([`counting`])
//!   says that this process has
//! - [`ledger`]: what the sessions of this process promised themselves
//! - [`Limits`], [`Notice`], [`Usage`]: what a user sets and is told; [`Faults`]: what tests put in

pub mod bytes;
pub mod counting;
mod driver;
mod faults;
mod guard;
mod host;
pub mod ledger;
mod limits;
pub mod meter;
mod plan;
pub mod planner;

pub use bytes::Needs;
pub use counting::Counting;
pub use faults::{Faults, Stage};
pub(crate) use guard::{Guard, Share};
pub use host::resident;
pub use ledger::{Ledger, Reservation, budget};
pub use limits::{Degradation, Limits, Notice, Outside, Step, Usage};
pub use meter::{Meter, Reading};
pub use plan::Plan;
