//! What the tests share: golden vectors, generated weights, comparisons; tests alone in their
//! process, and the soak.

pub mod allocation;
pub mod alone;
pub mod e2e;
pub mod fuzz;
pub mod golden;
pub mod soak;
