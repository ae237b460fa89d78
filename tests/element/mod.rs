//! The element in a harness: the guarantees of a stream, whichever engine fills the hole.

mod bus;
mod masks;
mod properties;
mod qos;
#[path = "../../elements/src/propainter/video/tests/spots.rs"]
pub mod spots;
mod stream;
pub mod support;
mod video;
