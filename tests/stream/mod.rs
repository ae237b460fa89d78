//! The networks over a stream.

mod eager;
mod flops;
mod lazy;
