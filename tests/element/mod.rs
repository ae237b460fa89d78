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
mod late_sources;
mod latency;
mod live;
mod mask_reading;
mod mask_sources;
mod mask_times;
mod mask_turned;
mod mask_videos;
mod masks;
mod memory;
mod networks;
mod overload;
mod player;
mod properties;
mod random;
mod scenes;
mod slow_sources;
#[path = "../../elements/src/propainter/formats/tests/spots.rs"]
pub mod spots;
mod stalls;
mod states;
pub mod support;
