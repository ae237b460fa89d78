//! How a stream becomes windows: [`schedule`] decides, in integers, which frames meet
//! which network when; [`Stream`] runs the networks over them, holds what later windows
//! can ask for and lets go of the rest.

pub mod schedule;
mod sliding;

#[cfg(feature = "networks")]
pub mod census;
#[cfg(feature = "networks")]
mod held;
#[cfg(feature = "networks")]
mod pixels;
#[cfg(feature = "networks")]
mod state;
#[cfg(feature = "networks")]
mod stream;
#[cfg(feature = "networks")]
mod work;

#[cfg(feature = "networks")]
pub(crate) use {stream::Stream, work::Networks};
