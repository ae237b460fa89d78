//! How a stream becomes windows: [`schedule`] decides, in integers, which frames meet
//! which network when; [`Reference`] runs the networks over them, holds what later windows
//! can ask for and lets go of the rest.

mod held;
mod reference;
pub mod schedule;

pub(crate) use reference::{Networks, Reference};
