//! Windows of bounded latency.
//!
//! A window looks at the frames that are there when it runs, and at no more than a sub-video of
//! them. Its results for frames that are not final are provisional: the next window sees more of
//! the future and replaces them. Final results stay and feed the next window: image propagation
//! begins with the frame before, as it was propagated.

use super::{
    Needed, Schedule, Task, Window, WindowParams,
    window_params::{COMPLETION_PAD, PROPAGATION_LIMIT, PROPAGATION_PAD},
};

/// The frames that the window around a centre looks at.
struct View {
    /// The oldest frame.
    start: usize,
    /// The first frame that is not final.
    first: usize,
    /// One more than the newest frame.
    end: usize,
}

impl View {
    fn new(params: WindowParams, centre: usize, end: usize) -> Self {
        let first = centre.saturating_sub(params.hop());
        let before = first.saturating_sub(1);
        Self {
            start: end.saturating_sub(params.subvideo_length).min(before),
            first,
            end,
        }
    }
}

impl Schedule {
    pub(super) fn slide(&mut self, lookahead: usize) -> Option<Task> {
        let view = self.view(lookahead)?;
        if self.completed + 1 < view.end {
            let start = view.first.saturating_sub(COMPLETION_PAD).max(view.start);
            // Without a look-ahead, the flow that leads to the first frame is new, too.
            let keep = view.first.min(self.completed);
            self.completed = view.end - 1;
            return Some(Task::Complete {
                run: start..self.completed,
                keep: keep..self.completed,
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

    /// Returns the view of the next window once its frames are there. The centre of the last one
    /// may lie after the end: without it, the last frames would be local in no window.
    fn view(&self, lookahead: usize) -> Option<View> {
        let full = self.centre + lookahead;
        let ready = self.frames >= full || (self.ended && self.remain());
        ready.then(|| View::new(self.params, self.centre, full.min(self.frames)))
    }

    /// Returns whether a window is left if the clip ends here.
    fn remain(&self) -> bool {
        self.centre < self.frames || self.covered < self.frames
    }

    /// Propagates in the chunks of the official procedure, from the first frame that is not final
    /// on.
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
        let (centre, hop) = (self.centre, self.params.hop());
        let neighbours = view.first..(centre + hop + 1).min(view.end);
        let stride = self.params.ref_stride;
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

    pub(super) fn needed_sliding(&self, lookahead: usize) -> Needed {
        // No later window ends before the last one did.
        let View { start, first, .. } = View::new(self.params, self.centre, self.seen);
        // The results of this window are next needed one hop later.
        let (mut flows, mut frames) = (first, first);
        if let Some(view) = self.view(lookahead)
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
            quarter_flows: first,
            features: first,
            propagated: start,
        }
    }

    pub(super) fn refers_sliding(&self, lookahead: usize, index: usize) -> bool {
        let more = !self.ended || self.remain();
        more && index.is_multiple_of(self.params.ref_stride)
            && index >= self.needed_sliding(lookahead).propagated
    }
}
