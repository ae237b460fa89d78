//! What is known of the elements before this one: how fast they deliver, and why they are silent.

pub mod arrivals;
pub mod silence;
