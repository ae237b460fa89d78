//! The element in a harness: what a stream may rely on, whichever engine fills the hole.

mod control;
mod counts;
mod cpu;
mod device;
mod endurance;
mod events;
mod failures;
mod flow;
mod frames;
mod interlaced;
mod latency;
mod live;
mod mask_sources;
mod mask_times;
mod masks;
mod memory;
mod networks;
mod overload;
mod properties;
mod random;
mod scenes;
mod states;
pub mod support;
