//! How a stream becomes windows: [`schedule`] decides, in integers, which frames meet
//! which network when; [`Reference`] runs the networks over them, holds what later windows
//! can ask for and lets go of the rest.

pub mod census;
mod held;
mod pixels;
mod reference;
pub mod schedule;
mod state;
mod work;

pub(crate) use reference::Reference;
pub(crate) use work::Networks;
