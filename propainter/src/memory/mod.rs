//! How much memory a session takes, decided before it takes it: what each stage needs as a
//! function of sizes ([`bytes`]), the plan that fits a budget ([`plan`]), and the watch that
//! keeps to it ([`guard`]) with what the driver or the allocator says ([`meter`]), shared
//! fairly between sessions of one process ([`ledger`]).

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
pub(crate) use guard::Guard;
pub use ledger::{Ledger, Reservation, budget};
pub use limits::{Degradation, Limits, Notice, Step, Usage};
pub use meter::{Meter, Reading};
pub use plan::Plan;
