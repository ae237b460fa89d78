//! What a session has done.

use std::time::Duration;

use crate::memory::Usage;

/// What a session has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    pub frames_in: u64,
    pub frames_out: u64,
    /// Frames held now.
    pub held: usize,
    /// Time spent in push and drain.
    pub busy: Duration,
    /// Of that, time the engine spent on frames for a hole's sake: none where no frame has one.
    pub computing: Duration,
    /// Frames given out whose hole was empty.
    pub untouched: u64,
    /// Scene cuts at which windows ended.
    pub scene_cuts: u64,
    /// Crops that a frame is seen in; 1 where it is seen whole.
    pub views: usize,
    /// Of the weights-free engine the host's, and the time.
    pub memory: Usage,
}
