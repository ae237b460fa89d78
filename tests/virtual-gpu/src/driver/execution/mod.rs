//! What runs on a device: contexts, streams of work, events, graphs and kernels.

pub mod contexts;
pub mod events;
pub mod graphs;
pub mod modules;
pub mod streams;
pub mod work;
