//! The element in a harness: what a stream may rely on, whichever engine fills the hole.

mod events;
mod failures;
mod flow;
mod frames;
mod latency;
mod masks;
mod memory;
mod networks;
mod properties;
mod random;
mod states;
mod support;
