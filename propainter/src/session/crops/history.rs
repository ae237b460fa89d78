//! The last frames of a scene that were returned.

use std::collections::VecDeque;

use super::super::config::Config;
use crate::Frame;

/// Maximum size in bytes of the frames kept.
const MAX_BYTES: usize = 128 << 20;

/// The frames that new crops begin with.
#[derive(Default)]
pub struct History {
    frames: VecDeque<Frame>,
    capacity: usize,
}

impl History {
    /// Returns an empty history of as many frames as windows of `config` can look back at, and
    /// subtracts its bytes from the budget of `config`.
    pub fn reserve(config: &mut Config) -> Self {
        let bytes = 3 * config.width * config.height;
        let max_bytes = match config.limits.host_budget {
            0 => MAX_BYTES,
            budget => MAX_BYTES.min(usize::try_from(budget / 8).unwrap_or(MAX_BYTES)),
        };
        let capacity = config.history_frames().min(max_bytes / bytes);
        // As many frames again are kept until they become history.
        config.limits.outside.always += (2 * capacity * bytes) as u64;
        Self {
            frames: VecDeque::new(),
            capacity,
        }
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Adds a frame and drops the oldest beyond the capacity.
    pub fn push(&mut self, frame: Frame) {
        self.frames.push_back(frame);
        while self.frames.len() > self.capacity {
            self.frames.pop_front();
        }
    }

    pub fn clear(&mut self) {
        self.frames.clear();
    }

    pub fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter()
    }
}
