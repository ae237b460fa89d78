//! Decides which frames go through which network, and when (spec section 7, steps 4 to 7). Works
//! on integers only.
//!
//! [`Schedule`] takes frames one by one and returns the tasks that may run, so that a stream meets
//! the same chunks and windows into which the official procedure divides the whole clip. A clip no
//! longer than the sub-video length is divided differently from a longer one, so no task runs
//! before one frame more than that, or the end, is known.
//!
//! With a lookahead the windows slide instead (`sliding`): each runs as soon as that many frames
//! from its centre on are there. A [`Segment`] is a part of a clip that is processed alone.
//! [`simulate`] counts the items that a stream holds at each task.

mod holdings;
mod ring;
mod runner;
mod segments;
pub mod simulate;
mod sliding;
mod task;
mod window_params;

use std::ops::Range;

pub use holdings::{Direction, FlowPair, Holdings, Propagated, RawFlows};
pub use ring::Ring;
pub use runner::{BothWays, ScaledFlows, TaskRunner};
pub use segments::{Segment, SegmentTasks};
pub use task::{Needed, Task, Window};
pub use window_params::WindowParams;
use window_params::{COMPLETION_PAD, PROPAGATION_PAD};

/// The position of a stream in the procedure.
#[derive(Clone, Debug)]
pub struct Schedule {
    params: WindowParams,
    frames: usize,
    /// Number of frames of the clip if it is known, which only a segment needs.
    total: Option<usize>,
    ended: bool,
    /// End of the completed flows, end of the propagated frames, centre of the next window.
    completed: usize,
    propagated: usize,
    centre: usize,
    /// Where these end: the last task of a segment, otherwise nowhere.
    last: Last,
    /// Sliding windows: end of the frames that propagation has begun with, and of those that were
    /// local in a window.
    seen: usize,
    covered: usize,
}

/// The ends of the completed flows, of the propagated frames, and of the centres of windows.
#[derive(Clone, Copy, Debug)]
struct Last {
    completed: usize,
    propagated: usize,
    centre: usize,
}

impl Schedule {
    /// Creates the schedule of a stream that has no frame yet.
    pub fn new(params: WindowParams) -> Self {
        // A window that sees only frames before its centre needs some.
        let first_centre = match params.effective_lookahead() {
            Some(0) => params.hop(),
            _ => 0,
        };
        Self {
            params,
            frames: 0,
            total: None,
            ended: false,
            completed: 0,
            propagated: 0,
            centre: first_centre,
            last: Last {
                completed: usize::MAX,
                propagated: usize::MAX,
                centre: usize::MAX,
            },
            seen: 0,
            covered: 0,
        }
    }

    /// Creates the schedule of a segment that has no frame yet. Frames and flows have the numbers
    /// that they have in the clip.
    pub fn of_segment(params: WindowParams, segment: &Segment) -> Self {
        let tasks = segment.tasks(params);
        Self {
            frames: segment.read.start,
            total: Some(segment.total),
            completed: tasks.completed.start,
            propagated: tasks.propagated.start,
            centre: tasks.centres.start,
            last: Last {
                completed: tasks.completed.end,
                propagated: tasks.propagated.end,
                centre: tasks.centres.end,
            },
            ..Self::new(params)
        }
    }

    /// Adds a frame, and the flows between it and the one before.
    pub fn push(&mut self) {
        debug_assert!(!self.ended);
        self.frames += 1;
    }

    /// Ends the stream. A segment before the end of its clip has no more tasks then.
    pub fn end(&mut self) {
        self.ended = self.total.is_none_or(|total| self.frames >= total);
    }

    /// Returns the next task whose inputs are there. Tasks must run in this order.
    pub fn next_task(&mut self) -> Option<Task> {
        if let Some(lookahead) = self.params.effective_lookahead() {
            return self.slide(lookahead);
        }
        self.complete()
            .or_else(|| self.propagate())
            .or_else(|| self.generate())
    }

    /// Returns the lowest indices that tasks to come can need.
    pub fn needed(&self) -> Needed {
        if let Some(lookahead) = self.params.effective_lookahead() {
            return self.needed_sliding(lookahead);
        }
        let reach = if self.frames > self.params.subvideo_length {
            self.params.reach().max(self.params.hop())
        } else {
            usize::MAX // all references, should the clip end here
        };
        let propagated = self.centre.saturating_sub(reach);
        let frames = self.propagated.saturating_sub(PROPAGATION_PAD);
        let local = self.centre.saturating_sub(self.params.hop());
        Needed {
            raw_flows: self.completed.saturating_sub(COMPLETION_PAD),
            flows: frames,
            frames,
            quarter_flows: local,
            features: local,
            propagated,
        }
    }

    /// Returns whether a window to come may refer to this frame, which is local in none of them.
    pub fn refers_later(&self, index: usize) -> bool {
        if let Some(lookahead) = self.params.effective_lookahead() {
            return self.refers_sliding(lookahead, index);
        }
        let WindowParams {
            subvideo_length,
            ref_stride,
            ..
        } = self.params;
        let (reach, hop) = (self.params.reach(), self.params.hop());
        let total = if self.ended { self.frames } else { usize::MAX };
        if total <= subvideo_length {
            return self.centre < total.min(self.last.centre) && index.is_multiple_of(ref_stride);
        }
        // The references of a centre are every stride-th frame from its reach on; near the start,
        // from the first frame on.
        let last = total.min(index + reach + 1).min(self.last.centre);
        let from_first = self.centre < reach.min(last) && index.is_multiple_of(ref_stride);
        // The reach is a multiple of the stride, so the pattern repeats after that many centres.
        let away = reach.saturating_sub(self.centre).div_ceil(hop);
        let mut centres = (self.centre + away * hop..last)
            .step_by(hop)
            .take(ref_stride);
        from_first || centres.any(|centre| centre.abs_diff(index).is_multiple_of(ref_stride))
    }

    fn complete(&mut self) -> Option<Task> {
        if self.completed >= self.last.completed {
            return None;
        }
        let (length, flows) = (self.params.subvideo_length, self.frames.saturating_sub(1));
        let (run, keep) = self.chunk(self.completed, flows, length, COMPLETION_PAD)?;
        self.completed = keep.end;
        Some(Task::Complete { run, keep })
    }

    fn propagate(&mut self) -> Option<Task> {
        if self.propagated >= self.last.propagated {
            return None;
        }
        let length = self.params.propagation_length();
        let (run, keep) = self.chunk(self.propagated, self.frames, length, PROPAGATION_PAD)?;
        if self.completed + 1 < run.end {
            return None;
        }
        self.propagated = keep.end;
        Some(Task::Propagate {
            run,
            keep,
            seeded: false,
        })
    }

    /// Returns the chunk from `first` on, of `length` with `pad` on both sides, clipped to the
    /// clip; `None` while its right pad may still grow, or if nothing is left.
    fn chunk(
        &self,
        first: usize,
        available: usize,
        length: usize,
        pad: usize,
    ) -> Option<(Range<usize>, Range<usize>)> {
        let full = first + length + pad;
        if first >= available || (available < full && !self.ended) {
            return None;
        }
        if self.ended && available <= length {
            return Some((0..available, 0..available));
        }
        let run = first.saturating_sub(pad)..full.min(available);
        Some((run, first..(first + length).min(available)))
    }

    fn generate(&mut self) -> Option<Task> {
        let (centre, hop) = (self.centre, self.params.hop());
        if centre >= self.frames.min(self.last.centre) {
            return None;
        }
        let total = self.ended.then_some(self.frames);
        let last = total.map_or(usize::MAX, |total| total - 1);
        let neighbours = centre.saturating_sub(hop)..last.min(centre + hop) + 1;
        if total.is_none() && self.frames <= self.params.subvideo_length {
            return None;
        }
        let references = self.params.references(centre, &neighbours, total);
        let furthest = references.last().map_or(0, |&i| i + 1).max(neighbours.end);
        if self.propagated < furthest {
            return None;
        }
        self.centre += hop;
        let final_before = match total {
            Some(total) if self.centre >= total => total,
            _ => centre,
        };
        Some(Task::Generate(Window {
            neighbours,
            references,
            final_before,
        }))
    }
}
