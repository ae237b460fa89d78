//! What the tests share: golden vectors, generated weights, comparisons; tests alone in their
//! process, or skipped; and the soak.

pub mod allocation;
pub mod alone;
mod benches;
pub mod cpus;
#[cfg(feature = "networks")]
pub mod e2e;
pub mod fuzz;
#[cfg(feature = "networks")]
pub mod golden;
pub mod shared;
pub mod skip;
pub mod soak;
#[cfg(feature = "networks")]
pub mod virtual_gpu;

pub use benches::{contents, cpu_time};
