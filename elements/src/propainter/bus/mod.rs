//! Everything that the element posts on the bus: errors, warnings and element messages.
//!
//! Each message has one function here, so that its domain, its text and its fields stand in
//! one place.

pub mod failures;
pub mod memory;
