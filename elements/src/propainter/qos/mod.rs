//! Quality of service: which frames are late, and when the engine is too slow for the stream.
//!
//! Nothing in here knows the stream's state.

pub mod circuit_breaker;
pub mod clock_wakeup;
pub mod lateness;
pub mod recent;
