//! The element in a harness: what a stream may rely on, whichever engine fills the hole.

mod device;
mod events;
mod failures;
mod flow;
mod frames;
mod latency;
mod live;
mod masks;
mod memory;
mod networks;
mod overload;
mod properties;
mod random;
mod states;
mod support;
