//! The weights-free engine: flow-guided propagation (design section 7).
//!
//! A frame is final once half a sub-video of later frames is known, or the look-ahead where that
//! is bounded. Its hole is then filled,
//! piece by piece, from the nearest frames that show what it hides; what none shows comes from
//! earlier fills, and where there are none from the picture around. Work is limited to the
//! surroundings of the hole, memory to one sub-video of frames.

mod align;
mod alone;
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

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

pub(crate) use self::alone::fill_alone;
use self::held::Held;
use crate::{Cancel, Done, Error, Frame, Mask, engine::Engine, memory::Usage};

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
    /// Time in which a window had a hole.
    computing: Duration,
}

impl Propagation {
    /// An engine over windows of `subvideo_length` frames, 2 and up, half of them ahead.
    pub fn new(subvideo_length: usize) -> Self {
        Self::over(subvideo_length, (subvideo_length / 2).min(AHEAD))
    }

    /// As [`new`](Self::new), with at most `lookahead` frames ahead, 1 and up: more frames have
    /// to be filled from the past.
    pub fn sliding(subvideo_length: usize, lookahead: usize) -> Self {
        let ahead = lookahead.min(subvideo_length / 2).clamp(1, AHEAD);
        Self::over(subvideo_length, ahead)
    }

    fn over(subvideo_length: usize, ahead: usize) -> Self {
        Self {
            window: VecDeque::new(),
            next: 0,
            past: subvideo_length.saturating_sub(ahead).min(PAST),
            ahead,
            computing: Duration::ZERO,
        }
    }

    /// Does `step`; its time counts where a frame of the window has a hole.
    fn timed(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<Vec<Done>, Error>,
    ) -> Result<Vec<Done>, Error> {
        let start = Instant::now();
        // Before the step: it may let go of frames.
        let holes = self.window.iter().any(Held::has_hole);
        let done = step(self);
        if holes {
            self.computing += start.elapsed();
        }
        done
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

    /// Finishes the frames whose future is known as far as they wait for it.
    fn finish_known(&mut self, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        let mut done = Vec::new();
        while let Some(next) = self.window.get(self.next)
            && (self.window.len() - self.next > self.ahead || !next.has_hole())
        {
            cancel.check()?;
            done.push(self.finish(cancel)?);
        }
        Ok(done)
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
        self.timed(|engine| {
            engine.measure();
            engine.finish_known(cancel)
        })
    }

    fn drain(&mut self, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        self.timed(|engine| {
            let mut done = Vec::new();
            while engine.next < engine.window.len() {
                cancel.check()?;
                done.push(engine.finish(cancel)?);
            }
            engine.flush();
            Ok(done)
        })
    }

    fn flush(&mut self) {
        self.window.clear();
        self.next = 0;
    }

    fn look_ahead(&self) -> usize {
        self.ahead
    }

    fn limit_look_ahead(
        &mut self,
        frames: usize,
        cancel: &Cancel,
    ) -> Result<Option<Vec<Done>>, Error> {
        self.ahead = self.ahead.min(frames);
        self.timed(|engine| engine.finish_known(cancel)).map(Some)
    }

    fn usage(&self) -> Usage {
        Usage {
            computing: self.computing,
            ..Usage::default()
        }
    }
}
