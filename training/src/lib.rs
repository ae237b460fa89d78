//! Training of the flow completion network and of the generator (spec: training).

#![warn(missing_docs)]

pub mod networks;
pub mod parameters;
