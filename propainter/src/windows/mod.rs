//! How a stream becomes windows: [`schedule`] decides, in integers, which frames meet
//! which network when; [`Stream`] runs the networks over them, holds what later windows
//! can ask for and lets go of the rest.

pub mod census;
mod held;
mod pixels;
pub mod schedule;
mod sliding;
mod state;
mod stream;
mod work;

pub(crate) use stream::Stream;
pub(crate) use work::Networks;
