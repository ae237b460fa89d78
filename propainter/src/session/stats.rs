//! Statistics of a session.

use std::time::Duration;

use crate::memory::Usage;

/// Counters and times of a session since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Frames pushed.
    pub frames_in: u64,
    /// Frames returned.
    pub frames_out: u64,
    /// Frames held now.
    pub held: usize,
    /// Time spent in push and drain.
    pub busy: Duration,
    /// Part of `busy` in which the engine computed fills; zero if no frame has a hole.
    pub computing: Duration,
    /// Frames returned whose hole was empty.
    pub untouched: u64,
    /// Scene cuts at which windows ended.
    pub scene_cuts: u64,
    /// Crops that each frame is processed in; 1 if it is processed whole.
    pub views: usize,
    /// Memory use. For the classical engine only the host's figures and the time are set.
    pub memory: Usage,
}
