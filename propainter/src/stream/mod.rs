//! The networks over a stream of frames: [`StreamEngine`] runs the tasks of the
//! [schedule](crate::schedule), holds what later tasks can ask for and drops the rest.

mod engine;
mod pixels;
mod ring;
mod stage_runner;
mod state;

pub(crate) use engine::StreamEngine;
pub(crate) use stage_runner::Networks;
