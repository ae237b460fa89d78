//! The element in a harness: what a stream may rely on, whichever engine fills the hole.

<<<<<<< HEAD
mod device;
=======
mod control;
>>>>>>> f
mod events;
mod failures;
mod flow;
mod frames;
mod interlaced;
mod latency;
<<<<<<< HEAD
mod live;
=======
mod mask_sources;
mod mask_times;
>>>>>>> f
mod masks;
mod memory;
mod networks;
mod overload;
mod properties;
mod random;
mod states;
mod support;
