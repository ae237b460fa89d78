//! The pad functions: they hand frames, events and queries to the stream, and send out what is
//! ready.

pub mod latency;
pub mod mask_sink;
pub mod sink;
pub mod src;
