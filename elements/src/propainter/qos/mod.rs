//! Quality of service: which frames are late, and when the engine is too slow for the stream.
//!
//! The files in here know neither the queue nor the state of the stream: they get times and frame
//! numbers, and return decisions.

pub mod circuit_breaker;
pub mod clock_wakeup;
pub mod deadline;
pub mod late_source;
pub mod recent;
