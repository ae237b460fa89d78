//! Which frames go through which network, and when: integers only (spec section 7,
//! steps 4 to 7).
//!
//! [`Schedule`] is fed frames one by one and says which tasks may run now, so that a
//! stream meets the very chunks and windows that the official procedure cuts from the
//! whole clip. A clip no longer than the sub-video length is cut differently from a longer
//! one, so nothing runs before one frame more than that, or the end, is known.
//!
//! With a look-ahead the windows slide instead (`sliding`): each runs as soon as so many
//! frames beyond its centre are there.

use std::ops::Range;

/// Flows of context on each side of a completion chunk.
pub(super) const COMPLETION_PAD: usize = 5;
/// Frames of context on each side of a propagation chunk.
pub(super) const PROPAGATION_PAD: usize = 10;
/// Longest propagation chunk.
pub(super) const PROPAGATION_LIMIT: usize = 100;

/// The numbers that cut a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Frames of a sub-video, at least 1.
    pub subvideo_length: usize,
    /// Local frames of a window, at least 2.
    pub neighbor_length: usize,
    /// Distance of reference frames, at least 1.
    pub ref_stride: usize,
    /// Frames from its centre on that a sliding window waits for, at least 1; `None` cuts as the
    /// official procedure does.
    pub lookahead: Option<usize>,
}

/// Work that may run: its inputs are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Complete the flows `run` (masks `run.start..=run.end`), keep `keep` in the place of all
    /// from its start on.
    Complete {
        run: Range<usize>,
        keep: Range<usize>,
    },
    /// Propagate the frames `run` (flows `run.start..run.end − 1`), keep `keep` in the place of
    /// all from its start on.
    Propagate {
        run: Range<usize>,
        keep: Range<usize>,
        /// Whether the first of `run` comes in as it was propagated before.
        seeded: bool,
    },
    /// Generate the local frames, blend them in, and send what is final.
    Generate(Window),
}

/// One generator window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Consecutive local frames.
    pub neighbours: Range<usize>,
    /// Reference frames, ascending, none of them a neighbour.
    pub references: Vec<usize>,
    /// Every frame before this one is final after this window.
    pub final_before: usize,
}

/// The lowest index of each kind that a later task can still ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Flows as RAFT gave them.
    pub raw_flows: usize,
    /// Completed flows for propagation.
    pub flows: usize,
    /// Source frames for propagation.
    pub frames: usize,
    /// Completed flows for the generator.
    pub guides: usize,
    /// Propagated frames that may be local ones.
    pub features: usize,
    /// Propagated frames for the generator.
    pub updated: usize,
}

impl Cut {
    /// Half a window: the distance between windows and the reach of the local frames.
    pub fn hop(&self) -> usize {
        (self.neighbor_length / 2).max(1)
    }

    /// Frames from its centre on that a sliding window sees: what is asked for, as far as a
    /// sub-video has room for it beside a hop and the frame before.
    pub fn ahead(&self) -> Option<usize> {
        let room = self.subvideo_length.saturating_sub(self.hop() + 1);
        self.lookahead.map(|asked| asked.clamp(1, room.max(1)))
    }

    fn propagation_length(&self) -> usize {
        self.subvideo_length.min(PROPAGATION_LIMIT)
    }

    /// Reach of the references of a long clip.
    fn reach(&self) -> usize {
        self.ref_stride * (self.subvideo_length / self.ref_stride / 2)
    }

    /// Frames that are held at most before one comes out: frame i is final at the latest
    /// once frame i + look-ahead is there.
    ///
    /// A frame waits for the last window that holds it (one hop), that window for its
    /// furthest frame (a hop, or the references' reach), that frame for the end of its
    /// propagation chunk and its pad, and the flows in that for the end of their completion
    /// chunk and its pad. Where windows slide it waits for the window one hop later alone.
    pub fn look_ahead(&self) -> usize {
        if let Some(ahead) = self.ahead() {
            return self.hop() + ahead - 1;
        }
        let furthest = self.hop() + self.hop().max(self.reach().saturating_sub(1));
        let chunks = self.propagation_length() - 1 + self.subvideo_length - 1;
        furthest + chunks + PROPAGATION_PAD + COMPLETION_PAD
    }

    /// The references of the window around `centre`; `total` where the clip's length is known.
    fn references(
        &self,
        centre: usize,
        neighbours: &Range<usize>,
        total: Option<usize>,
    ) -> Vec<usize> {
        let outside = |i: &usize| !neighbours.contains(i);
        let end = total.unwrap_or(usize::MAX);
        if end <= self.subvideo_length {
            return (0..end).step_by(self.ref_stride).filter(outside).collect();
        }
        let most = self.subvideo_length / self.ref_stride + 1;
        (centre.saturating_sub(self.reach())..end.min(centre + self.reach()))
            .step_by(self.ref_stride)
            .filter(outside)
            .take(most)
            .collect()
    }
}

/// The stream's position in the procedure.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub(super) cut: Cut,
    pub(super) frames: usize,
    pub(super) ended: bool,
    /// Flows completed, frames propagated, centre of the next window.
    pub(super) completed: usize,
    pub(super) propagated: usize,
    pub(super) centre: usize,
    /// Sliding: the end of what was propagated last, done or not, and of the frames that were
    /// local in a window.
    pub(super) seen: usize,
    pub(super) covered: usize,
}

impl Schedule {
    pub fn new(cut: Cut) -> Self {
        Self {
            cut,
            frames: 0,
            ended: false,
            completed: 0,
            propagated: 0,
            centre: 0,
            seen: 0,
            covered: 0,
        }
    }

    /// One more frame is there, and the flows between it and the one before.
    pub fn push(&mut self) {
        debug_assert!(!self.ended);
        self.frames += 1;
    }

    /// The clip is complete.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The next task whose inputs are there, in the order in which they must run.
    pub fn next_task(&mut self) -> Option<Task> {
        if let Some(ahead) = self.cut.ahead() {
            return self.slide(ahead);
        }
        self.complete()
            .or_else(|| self.propagate())
            .or_else(|| self.generate())
    }

    pub fn needed(&self) -> Needed {
        if let Some(ahead) = self.cut.ahead() {
            return self.needed_sliding(ahead);
        }
        let reach = if self.frames > self.cut.subvideo_length {
            self.cut.reach().max(self.cut.hop())
        } else {
            usize::MAX // all references, should the clip end here
        };
        let updated = self.centre.saturating_sub(reach);
        let frames = self.propagated.saturating_sub(PROPAGATION_PAD);
        let local = self.centre.saturating_sub(self.cut.hop());
        Needed {
            raw_flows: self.completed.saturating_sub(COMPLETION_PAD),
            flows: frames,
            frames,
            guides: local,
            features: local,
            updated,
        }
    }

    /// Whether a window still to come may refer to this frame, which is local in none of them.
    pub fn refers_later(&self, index: usize) -> bool {
        if let Some(ahead) = self.cut.ahead() {
            return self.refers_sliding(ahead, index);
        }
        let Cut {
            subvideo_length,
            ref_stride,
            ..
        } = self.cut;
        let (reach, hop) = (self.cut.reach(), self.cut.hop());
        let total = if self.ended { self.frames } else { usize::MAX };
        if total <= subvideo_length {
            return self.centre < total && index.is_multiple_of(ref_stride);
        }
        // References of a centre are every stride-th frame from so far before it on; near the
        // start, from the first frame on.
        let last = total.min(index + reach + 1);
        let from_first = self.centre < reach.min(last) && index.is_multiple_of(ref_stride);
        // The reach is a multiple of the stride, so centres repeat themselves after that many.
        let away = reach.saturating_sub(self.centre).div_ceil(hop);
        let mut centres = (self.centre + away * hop..last)
            .step_by(hop)
            .take(ref_stride);
        from_first || centres.any(|centre| centre.abs_diff(index).is_multiple_of(ref_stride))
    }

    fn complete(&mut self) -> Option<Task> {
        let (length, flows) = (self.cut.subvideo_length, self.frames.saturating_sub(1));
        let (run, keep) = self.chunk(self.completed, flows, length, COMPLETION_PAD)?;
        self.completed = keep.end;
        Some(Task::Complete { run, keep })
    }

    fn propagate(&mut self) -> Option<Task> {
        let length = self.cut.propagation_length();
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

    /// The chunk from `first` on, of `length` with `pad` on both sides, clipped to the clip;
    /// `None` while its right pad may still grow or nothing is left.
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
        let (centre, hop) = (self.centre, self.cut.hop());
        if centre >= self.frames {
            return None;
        }
        let total = self.ended.then_some(self.frames);
        let last = total.map_or(usize::MAX, |total| total - 1);
        let neighbours = centre.saturating_sub(hop)..last.min(centre + hop) + 1;
        if total.is_none() && self.frames <= self.cut.subvideo_length {
            return None;
        }
        let references = self.cut.references(centre, &neighbours, total);
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
