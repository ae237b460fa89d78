//! What the benchmarks share: clips with their truth, and processor time.

pub mod contents;
pub mod cpu_time;
