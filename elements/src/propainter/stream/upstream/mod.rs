//! What is known about the elements upstream: how fast they deliver ([`arrivals`],
//! [`frame_rate`]), and why they are silent ([`silence`]).

pub mod arrivals;
pub mod frame_rate;
pub mod silence;
