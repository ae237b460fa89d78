//! The properties: their specifications ([`specs`]), their values ([`settings`], [`enums`]), and
//! the statistics that `stats` reports ([`stats`]).

pub mod enums;
pub mod settings;
pub mod specs;
pub mod stats;
