//! Errors and warnings on the bus.

pub mod failures;
