//! Frames, events and states: what goes in comes out, in order, whatever happens meanwhile.

mod counts;
mod endurance;
mod events;
mod flow;
#[cfg(feature = "networks")]
mod networks;
mod random;
mod scenes;
mod slow_sources;
mod stalls;
mod states;
