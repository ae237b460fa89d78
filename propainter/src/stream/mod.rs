//! Runs the networks over a stream of frames: carries out the tasks of the
//! [schedule](crate::schedule), holds the items that later tasks can need and drops the others.

mod border;
mod engine;
mod executor;
mod networks;
mod pixels;
mod source;
mod stage_runner;
mod state;

pub(crate) use engine::StreamEngine;
pub(crate) use networks::{Networks, PlannedPages};
