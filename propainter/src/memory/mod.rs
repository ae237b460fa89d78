//! Limits the memory of a session, and measures it.
//!
//! - [`Limits`], [`Notice`], [`Usage`]: the settings of a user, and the reports of a session
//! - `plan`: the choices of a memory plan
//! - `budget`: from a budget to a plan of the networks, and the guard that enforces it
//! - [`meter`]: the bytes of this process by the tensor library's pools, the system (`host`) or the
//!   allocator ([`counting`]), and what the `driver` says of a GPU
//! - [`Faults`]: faults that tests inject

#[cfg(feature = "networks")]
#[doc(hidden)]
pub mod budget;
#[doc(hidden)]
pub mod counting;
mod driver;
#[cfg_attr(not(feature = "internals"), path = "no_faults.rs")]
mod faults;
mod host;
mod limits;
#[doc(hidden)]
pub mod meter;
#[cfg(feature = "networks")]
mod plan;

pub use crate::stage::Stage;
pub use counting::Counting;
pub use faults::Faults;
pub use host::{free_and_total, resident};
pub use limits::{Degradation, Limits, MeterKind, Notice, Outside, Step, Usage};
