//! The properties: their specifications, their values, and what the read-only ones report.

pub mod enums;
pub mod settings;
pub mod specs;
pub mod stats;
