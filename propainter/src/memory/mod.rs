//! How much memory a session takes, decided before it takes it: what each stage needs as a
//! function of sizes ([`bytes`]), the plan that fits a budget ([`plan`]), and the watch that
//! keeps to it ([`guard`]) with what the driver or the allocator says ([`meter`]), shared
//! fairly between sessions of one process ([`ledger`]).

mod faults;
mod guard;
mod limits;
mod plan;

pub use faults::{Faults, Stage};
pub(crate) use guard::Guard;
pub use limits::{Degradation, Limits, Notice, Step, Usage};
pub use plan::Plan;
