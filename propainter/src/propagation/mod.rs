//! The weights-free engine: flow-guided propagation (design section 7).
//!
//! A frame is final once half a sub-video of later frames is known. Its hole is then filled,
//! piece by piece, from the nearest frames that show what it hides; what none shows comes from
//! earlier fills, and where there are none from the picture around. Work is limited to the
//! surroundings of the hole, memory to one sub-video of frames.

mod align;
mod completion;
mod compose;
mod fill;
mod flow;
mod grid;
mod held;
mod inverse_search;
mod kernel;
mod membrane;
mod patch;
mod patch_fill;
mod plane;
mod region;
mod sample;
mod seam;
mod spatial;
mod walk;

use std::collections::VecDeque;

use self::held::Held;
use crate::{Cancel, Done, Error, Frame, Mask, engine::Engine};

/// Most frames looked ahead, and kept behind, however long a sub-video is.
const AHEAD: usize = 40;
const PAST: usize = 80;

/// The streaming engine of `model=propagation`.
pub struct Propagation {
    window: VecDeque<Held>,
    /// Index in the window of the first frame that is not final.
    next: usize,
    /// Frames kept before and behind the one being filled.
    past: usize,
    ahead: usize,
}

impl Propagation {
    /// An engine over windows of `subvideo_length` frames, 2 and up.
    pub fn new(subvideo_length: usize) -> Self {
        let ahead = (subvideo_length / 2).min(AHEAD);
        Self {
            window: VecDeque::new(),
            next: 0,
            past: (subvideo_length - ahead).min(PAST),
            ahead,
        }
    }

    /// As [`new`](Self::new), but no more than `lookahead` frames are looked ahead, 1 and up.
    pub fn sliding(subvideo_length: usize, lookahead: usize) -> Self {
        let ahead = lookahead.min(subvideo_length / 2).clamp(1, AHEAD);
        Self {
            past: (subvideo_length - ahead).min(PAST),
            ahead,
            ..Self::new(subvideo_length)
        }
    }

    /// Flows between the last two frames, in the directions that lead out of a hole.
    fn measure(&mut self) {
        let last = self.window.len() - 1;
        let Some(before) = last.checked_sub(1) else {
            if self.window[last].has_hole() {
                self.window[last].look();
            }
            return;
        };
        let holes = (self.window[before].has_hole(), self.window[last].has_hole());
        if holes.0 || holes.1 {
            self.window[before].look();
            self.window[last].look();
            let guesses = (
                before
                    .checked_sub(1)
                    .and_then(|i| self.window[i].forward.as_ref()),
                self.window[before].backward.as_ref(),
            );
            let pyramids = (&self.window[before].pyramid, &self.window[last].pyramid);
            let (Some(a), Some(b)) = pyramids else {
                return;
            };
            let (there, back, cut) = flow::both_ways(a, b, guesses);
            self.window[before].forward = holes.0.then_some(there);
            self.window[last].backward = holes.1.then_some(back);
            self.window[last].cut = cut;
        }
        if let Some(pyramid) = &mut self.window[before].pyramid {
            pyramid.shrink();
        }
    }

    /// Fills the next frame and moves on.
    fn finish(&mut self, cancel: &Cancel) -> Result<Done, Error> {
        let now = self.next;
        let held = &mut self.window[now];
        let (width, height) = (held.frame.width(), held.frame.height());
        let hole = held.hole.take();
        let hole = hole.unwrap_or_else(|| Mask::empty(width, height));
        if held.has_hole() {
            compose::fill(&mut self.window, now, &hole, cancel)?;
        }
        let frame = self.window[now].frame.clone();
        let done = Done { frame, hole };
        self.next += 1;
        while self.next > self.past {
            self.window.pop_front();
            self.next -= 1;
        }
        Ok(done)
    }
}

impl Engine for Propagation {
    fn push(&mut self, frame: Frame, hole: Mask, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        cancel.check()?;
        self.window.push_back(Held::new(frame, hole));
        self.measure();
        let mut done = Vec::new();
        while self.next < self.window.len()
            && (self.window.len() - self.next > self.ahead || !self.window[self.next].has_hole())
        {
            cancel.check()?;
            done.push(self.finish(cancel)?);
        }
        Ok(done)
    }

    fn drain(&mut self, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        let mut done = Vec::new();
        while self.next < self.window.len() {
            cancel.check()?;
            done.push(self.finish(cancel)?);
        }
        self.flush();
        Ok(done)
    }

    fn flush(&mut self) {
        self.window.clear();
        self.next = 0;
    }

    fn look_ahead(&self) -> usize {
        self.ahead
    }
}

/// A frame's hole filled from the picture around it alone: quick, for when nothing better is
/// there in time. `hole` is of the frame's size, dilated.
pub fn fill_alone(frame: &Frame, hole: &Mask) -> Frame {
    let _ = (frame, hole);
    todo!("helper E2")
}
