//! A GPU that isn't there, for tests: it computes PTX on the CPU, and reads what `ptxas` says of it.

pub mod assemble;
pub mod ptx;
