//! The last frames of a scene that were returned.

use std::collections::VecDeque;

use super::super::config::Config;
use crate::{Error, Frame};

/// Maximum size in bytes of the frames kept.
const MAX_BYTES: usize = 128 << 20;

/// Share of a budget that they may take.
const SHARE: u64 = 8;

/// The frames that new crops begin with.
#[derive(Default)]
pub struct History {
    frames: VecDeque<Frame>,
    capacity: usize,
    /// Bytes that are reserved for them.
    reserved: u64,
}

impl History {
    /// Returns an empty history of as many frames as windows of `config` can look back at, and
    /// subtracts its bytes from the budget of `config`.
    pub fn reserve(config: &mut Config) -> Self {
        let bytes = 3 * config.width * config.height;
        let max_bytes = match config.limits.host_budget {
            0 => MAX_BYTES,
            budget => MAX_BYTES.min(usize::try_from(budget / SHARE).unwrap_or(MAX_BYTES)),
        };
        let capacity = config.history_frames().min(max_bytes / bytes);
        // Frames are held until they become history, or all of them until they are returned.
        let held = match config.whole {
            true => capacity.max(config.latency_frames() + 1),
            false => capacity,
        };
        // One more, with its hole, is put together.
        let assembled = bytes + bytes / 3;
        let outside = &mut config.limits.outside;
        outside.always += (held * bytes + assembled) as u64;
        outside.device_always += held as u64 * outside.device_copy;
        Self {
            frames: VecDeque::new(),
            capacity,
            reserved: (held * bytes) as u64,
        }
    }

    /// Returns an error of a budget with what is enough, as a larger budget has a longer history.
    pub fn with_enough(&self, mut error: Error) -> Error {
        if let Error::Budget {
            property: "host-budget",
            needed,
            ..
        } = &mut error
        {
            let others = needed.saturating_sub(self.reserved);
            *needed = (*needed).max((others * SHARE).div_ceil(SHARE - 1));
        }
        error
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Adds a frame and drops the oldest beyond the capacity.
    pub fn push(&mut self, frame: Frame) {
        self.frames.push_back(frame);
        self.make_room(0);
    }

    /// Drops the oldest frames that are not needed once `pending` more frames are history.
    pub fn make_room(&mut self, pending: usize) {
        let kept = self.capacity.saturating_sub(pending);
        let dropped = self.frames.len().saturating_sub(kept);
        self.frames.drain(..dropped);
    }

    pub fn clear(&mut self) {
        self.frames.clear();
    }

    pub fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter()
    }
}
