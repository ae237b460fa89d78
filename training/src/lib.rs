//! Training of the flow completion network and of the generator (spec: training).

#![warn(missing_docs)]

pub mod budget;
pub mod checkpoint;
pub mod data;
pub mod discriminator;
pub mod edges;
mod files;
pub mod loss;
pub mod masks;
pub mod networks;
pub mod optimizer;
pub mod parameters;
pub mod random;
pub mod recompute;
pub mod run;
pub mod train;
