//! The part of a clip that a session processes alone, with the frames around it that its result
//! depends on.
//!
//! In the official procedure a frame depends on a limited part of the clip. Its windows lie within a
//! hop. They see propagated frames within the reach of the references. Those come in chunks with a
//! pad of 10 frames on each side. Their flows come in chunks of a sub-video with a pad of 5 on each
//! side. [`Segment::new`] follows these steps backwards from the frames that are kept.
//!
//! A segment keeps the frame numbers of the whole clip, so its chunks and windows are those of the
//! whole clip, with the same inputs in the same order. It leaves out those that contribute nothing to
//! the frames kept.

use std::{fmt, ops::Range, str::FromStr};

use super::{
    WindowParams,
    window_params::{COMPLETION_PAD, PROPAGATION_PAD},
};

/// A part of a clip; all numbers are frame numbers of the clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The number of frames of the clip.
    pub total: usize,
    /// The frames that are read.
    pub read: Range<usize>,
    /// The frames that are kept; the others are their context.
    pub keep: Range<usize>,
}

/// Writes `read=90..240,keep=100..200,total=1000`, each range with the number after its last frame.
impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { total, read, keep } = self;
        write!(f, "read={read:?},keep={keep:?},total={total}")
    }
}

impl FromStr for Segment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (mut read, mut keep, mut total) = (None, None, None);
            for field in text.split(',') {
                let (name, value) = field.split_once('=')?;
                match name.trim() {
                    "read" => read = range(value),
                    "keep" => keep = range(value),
                    "total" => total = value.trim().parse().ok(),
                    _ => return None,
                }
            }
            let (total, read, keep) = (total?, read?, keep?);
            Some(Self { total, read, keep })
        };
        parse().ok_or_else(|| {
            format!("'{text}' is no segment; write one as read=90..240,keep=100..200,total=1000")
        })
    }
}

fn range(text: &str) -> Option<Range<usize>> {
    let (first, end) = text.trim().split_once("..")?;
    Some(first.parse().ok()?..end.parse().ok()?)
}

/// The tasks of a segment: the ends of the ranges are those that the schedule stops at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentTasks {
    /// The flows that are completed.
    pub completed: Range<usize>,
    /// The frames that are propagated.
    pub propagated: Range<usize>,
    /// The centres of the windows, from the first to one more than the last.
    pub centres: Range<usize>,
    /// The first frame that is local in a window.
    pub first_local: usize,
}

impl Segment {
    /// Returns the segment of a clip of `total` frames that keeps the frames `keep`, at least one
    /// of them, with the context that the official procedure needs.
    pub fn new(params: WindowParams, total: usize, keep: Range<usize>) -> Self {
        let flows = SegmentTasks::new(params, total, &keep).raw_flows(total);
        Self {
            total,
            // A clip of one frame has no flow.
            read: flows.start..(flows.end + 1).min(total),
            keep,
        }
    }

    /// Returns a segment without context, for an engine that starts afresh at its first frame and
    /// at the first frame after it.
    pub fn without_context(total: usize, keep: Range<usize>) -> Self {
        Self {
            total,
            read: keep.clone(),
            keep,
        }
    }

    /// Returns the tasks that the frames kept depend on.
    pub fn tasks(&self, params: WindowParams) -> SegmentTasks {
        SegmentTasks::new(params, self.total, &self.keep)
    }
}

impl SegmentTasks {
    fn new(params: WindowParams, total: usize, keep: &Range<usize>) -> Self {
        let hop = params.hop();
        let first = keep.start.saturating_sub(hop).next_multiple_of(hop);
        let last = (keep.end - 1 + hop).min(total - 1) / hop * hop;
        let (flows, first_local) = (total - 1, first.saturating_sub(hop));
        let centres = first..last + 1;
        if total <= params.subvideo_length {
            return Self {
                completed: 0..flows,
                propagated: 0..total,
                centres,
                first_local,
            };
        }
        let reach = params.reach().max(hop + 1);
        let seen = first.saturating_sub(reach)..(last + reach).min(total);
        let length = params.propagation_length();
        let propagated = seen.start / length * length..seen.end.next_multiple_of(length).min(total);
        // The flows between the frames of the propagation's runs.
        let run = propagated.start.saturating_sub(PROPAGATION_PAD)
            ..(propagated.end + PROPAGATION_PAD).min(total) - 1;
        let length = params.subvideo_length;
        Self {
            completed: run.start / length * length..run.end.next_multiple_of(length).min(flows),
            propagated,
            centres,
            first_local,
        }
    }

    /// Returns the flows of RAFT that the completed ones are made of.
    fn raw_flows(&self, total: usize) -> Range<usize> {
        let end = (self.completed.end + COMPLETION_PAD).min(total - 1);
        self.completed.start.saturating_sub(COMPLETION_PAD)..end
    }
}
