//! Windows of bounded latency.
//!
//! A window looks at the frames that are there when it runs and at no more than a sub-video of
//! them. What it makes of frames that are not final is provisional: the next one sees more of
//! the future and takes its place. What is final stays, and flows on by recursion: the frame
//! before comes into image propagation as it was propagated.

use super::schedule::{
    COMPLETION_PAD, Cut, Needed, PROPAGATION_LIMIT, PROPAGATION_PAD, Schedule, Task, Window,
};

/// What the window around a centre looks at.
struct View {
    /// The oldest frame.
    start: usize,
    /// The first frame that is not final.
    first: usize,
    /// One more than the newest frame.
    end: usize,
}

impl View {
    fn new(cut: Cut, centre: usize, end: usize) -> Self {
        let first = centre.saturating_sub(cut.hop());
        let before = first.saturating_sub(1);
        Self {
            start: end.saturating_sub(cut.subvideo_length).min(before),
            first,
            end,
        }
    }
}

impl Schedule {
    pub(super) fn slide(&mut self, ahead: usize) -> Option<Task> {
        let view = self.view(ahead)?;
        if self.completed + 1 < view.end {
            let start = view.first.saturating_sub(COMPLETION_PAD).max(view.start);
            self.completed = view.end - 1;
            return Some(Task::Complete {
                run: start..self.completed,
                keep: view.first..self.completed,
            });
        }
        if self.seen < view.end {
            (self.seen, self.propagated) = (view.end, view.first);
        }
        if self.propagated < view.end {
            return Some(self.propagate_tail(&view));
        }
        Some(Task::Generate(self.window(view)))
    }

    /// The next window's, once its frames are there. The last one may be around a centre after
    /// the end: without it, frames would be local in none.
    fn view(&self, ahead: usize) -> Option<View> {
        let full = self.centre + ahead;
        let ready = self.frames >= full || (self.ended && self.remain());
        ready.then(|| View::new(self.cut, self.centre, full.min(self.frames)))
    }

    /// Whether a window is left, should the clip end here.
    fn remain(&self) -> bool {
        self.centre < self.frames || self.covered < self.frames
    }

    /// As the chunks of the official procedure, from the first frame that is not final on.
    fn propagate_tail(&mut self, view: &View) -> Task {
        let first = self.propagated;
        let continued = first == view.first;
        let start = match continued {
            true => first.saturating_sub(1),
            false => first - PROPAGATION_PAD,
        };
        let full = first + PROPAGATION_LIMIT;
        self.propagated = full.min(view.end);
        Task::Propagate {
            run: start..(full + PROPAGATION_PAD).min(view.end),
            keep: first..self.propagated,
            seeded: continued && first > 0,
        }
    }

    fn window(&mut self, view: View) -> Window {
        let (centre, hop) = (self.centre, self.cut.hop());
        let neighbours = view.first..(centre + hop + 1).min(view.end);
        let stride = self.cut.ref_stride;
        let references = (view.start.next_multiple_of(stride)..view.end).step_by(stride);
        let references = references.filter(|i| !neighbours.contains(i)).collect();
        self.centre += hop;
        self.covered = neighbours.end;
        Window {
            neighbours,
            references,
            final_before: match self.ended && !self.remain() {
                true => self.frames,
                false => centre,
            },
        }
    }

    pub(super) fn needed_sliding(&self, ahead: usize) -> Needed {
        // No later window ends before the last one did.
        let View { start, first, .. } = View::new(self.cut, self.centre, self.seen);
        // What this window has done is next needed one hop later.
        let (mut flows, mut frames) = (first, first);
        if let Some(view) = self.view(ahead)
            && self.completed + 1 >= view.end
        {
            flows = self.centre;
            if self.seen == view.end && self.propagated == view.end {
                frames = self.centre;
            }
        }
        let frames = frames.saturating_sub(1);
        Needed {
            raw_flows: flows.saturating_sub(COMPLETION_PAD).max(start),
            flows: frames,
            frames,
            guides: first,
            features: first,
            updated: start,
        }
    }

    pub(super) fn refers_sliding(&self, ahead: usize, index: usize) -> bool {
        let more = !self.ended || self.remain();
        more && index.is_multiple_of(self.cut.ref_stride)
            && index >= self.needed_sliding(ahead).updated
    }
}
