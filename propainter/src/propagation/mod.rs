//! The weights-free engine: flow-guided propagation (design section 7).
//!
//! A frame is final once half a sub-video of later frames is known, or the look-ahead where that
//! is bounded. Its hole is then filled,
//! piece by piece, from the nearest frames that show what it hides; what none shows comes from
//! earlier fills, and where there are none from the picture around. Work is limited to the
//! surroundings of the hole, memory to one sub-video of frames.

mod align;
mod alone;
mod bytes;
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
mod reach;
mod region;
mod room;
mod rows;
mod sample;
mod seam;
mod spatial;
mod usable;
mod walk;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

pub use self::reach::Reach;
pub(crate) use self::room::Room;
pub(crate) use self::{
    alone::fill_alone,
    bytes::{Frames, Window},
};
use self::{held::Held, reach::Seen};
use crate::{
    Cancel, Done, Error, Frame, Mask,
    engine::Engine,
    memory::{Notice, Usage},
};

/// Most frames looked ahead, and kept behind, however long a sub-video is.
const AHEAD: usize = 40;
const PAST: usize = 80;

/// The streaming engine of `model=propagation`.
pub struct Propagation {
    window: VecDeque<Held>,
    /// Index in the window of the first frame that is not final.
    next: usize,
    /// Frames kept before and behind the one being filled, and what they may take.
    room: Room,
    /// The last hole that came, and what is known of it.
    seen: Option<Seen>,
    /// Time in which a window had a hole.
    computing: Duration,
}

/// A window over sub-videos of so many frames, 2 and up, half of them ahead; `lookahead` bounds
/// those: more frames have to be filled from the past then.
pub(crate) fn window(subvideo_length: usize, lookahead: Option<usize>) -> Window {
    let half = (subvideo_length / 2).min(AHEAD);
    let ahead = lookahead.map_or(half, |lookahead| lookahead.min(half).max(1));
    Window {
        ahead,
        past: subvideo_length.saturating_sub(ahead).min(PAST),
    }
}

impl Propagation {
    pub fn new(room: Room) -> Self {
        Self {
            window: VecDeque::new(),
            next: 0,
            room,
            seen: None,
            computing: Duration::ZERO,
        }
    }

    /// What is known of a hole.
    fn look(&mut self, hole: &Mask) -> &Seen {
        let last = self.seen.take().filter(|seen| seen.is_of(hole));
        self.seen
            .insert(last.unwrap_or_else(|| Seen::new(hole.clone())))
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
        self.window[before].pyramid = None;
    }

    /// Finishes the frames whose future is known as far as they wait for it.
    fn finish_known(&mut self, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        let mut done = Vec::new();
        while let Some(next) = self.window.get(self.next)
            && (self.window.len() - self.next > self.room.window().ahead || !next.has_hole())
        {
            cancel.check()?;
            done.push(self.finish(cancel)?);
        }
        Ok(done)
    }

    /// Fills the next frame and moves on.
    fn finish(&mut self, cancel: &Cancel) -> Result<Done, Error> {
        let now = self.next;
        let hole = self.window[now].hole();
        if self.window[now].has_hole() {
            compose::fill(&mut self.window, now, &hole, cancel)?;
        }
        let frame = self.window[now].frame.clone();
        self.next += 1;
        while self.next > self.room.window().past {
            self.window.pop_front();
            self.next -= 1;
        }
        Ok(Done { frame, hole })
    }

    /// Notes what the window holds.
    fn note(&mut self) {
        let held = self.window.iter().map(Held::bytes).sum();
        self.room.note(held, self.window.len() - self.next);
    }
}

impl Engine for Propagation {
    fn admit(&mut self, hole: &Mask) -> Result<(), Error> {
        let reach = *self.look(hole).reach();
        self.room.make(&reach)
    }

    fn push(&mut self, frame: Frame, hole: Mask, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        cancel.check()?;
        let usable = self.look(&hole).usable();
        self.window.push_back(Held::new(frame, usable));
        self.timed(|engine| {
            engine.measure();
            engine.note();
            engine.finish_known(cancel)
        })
    }

    /// One frame at once: all of them would take as much as the window once more.
    fn drain(&mut self, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        self.timed(|engine| {
            let mut done = Vec::new();
            if engine.next < engine.window.len() {
                cancel.check()?;
                done.push(engine.finish(cancel)?);
            }
            if engine.next == engine.window.len() {
                engine.flush();
            }
            Ok(done)
        })
    }

    fn flush(&mut self) {
        self.window.clear();
        self.next = 0;
        self.note();
    }

    fn latency_frames(&self) -> usize {
        self.room.window().ahead
    }

    fn plan(&self) -> Option<String> {
        Some(self.room.plan())
    }

    fn limit_latency(&mut self, frames: usize, cancel: &Cancel) -> Result<Vec<Done>, Error> {
        self.room.limit_latency(frames);
        self.timed(|engine| engine.finish_known(cancel))
    }

    fn usage(&self) -> Usage {
        Usage {
            computing: self.computing,
            ..self.room.usage()
        }
    }

    fn notices(&mut self) -> Vec<Notice> {
        self.room.notices()
    }
}
