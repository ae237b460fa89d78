//! Late frames, a slow engine, a device that fails, and the latency that is reported.

mod device_failure;
mod effort;
mod late_sources;
mod latency;
mod overload;
