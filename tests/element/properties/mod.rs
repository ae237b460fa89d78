//! The properties: what is set, what is read, budgets and presets.

mod budgets;
mod cpu;
mod inspect;
#[cfg(feature = "networks")]
mod network_budgets;
