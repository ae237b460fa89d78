//! The virtual GPU by itself, through the interface of NVIDIA's driver. Each test runs in a process
//! of its own, whose driver it is.

mod cuda;

mod compute;
mod counts;
mod failures;
mod graphs;
mod memory;
mod modules;
mod nvml;
mod streams;
