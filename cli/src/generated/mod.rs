//! Texts that are generated from the definition of the command line.

pub mod completions;
pub mod man;
