//! Keeps the window of frames within its memory budget. The need is known before a frame is
//! accepted, and the window is as long as fits.

use super::{
    bytes::{Frames, WindowLengths},
    footprint::HoleFootprint,
};
use crate::{
    Error,
    memory::{Degradation, Notice, Step, Usage},
};

/// The lengths of the window and the budget that they are chosen for.
pub struct WindowBudget {
    frames: Frames,
    /// Budget in bytes.
    budget: u64,
    /// Whether the window may be shorter than requested.
    may_shrink: bool,
    window: WindowLengths,
    /// The largest footprint of a hole so far, field by field.
    largest: Option<HoleFootprint>,
    usage: Usage,
    notices: Vec<Notice>,
}

impl WindowBudget {
    /// Creates the budget of a window of `wish` over such frames. `budget` is in bytes.
    ///
    /// # Errors
    ///
    /// Returns the bytes that frames without a hole need if that is more: with the requested
    /// window, or with the shortest one if the window may shrink.
    pub fn new(
        frames: Frames,
        budget: u64,
        wish: WindowLengths,
        may_shrink: bool,
    ) -> Result<Self, u64> {
        let no_hole = HoleFootprint::default();
        match frames.needs(wish, &no_hole) {
            needed if needed <= budget => {}
            needed if !may_shrink => return Err(needed),
            _ => drop(frames.fit(budget, wish, &no_hole)?),
        }
        Ok(Self {
            frames,
            budget,
            may_shrink,
            window: wish,
            largest: None,
            usage: Usage {
                host_budget: budget,
                ..Usage::default()
            },
            notices: Vec::new(),
        })
    }

    /// Returns the current lengths of the window.
    pub fn window(&self) -> WindowLengths {
        self.window
    }

    /// Limits the lookahead to `frames` from now on.
    pub fn limit_latency(&mut self, frames: usize) {
        self.window.ahead = self.window.ahead.min(frames);
    }

    /// Makes room for a frame whose hole has this footprint, by shortening the window if necessary.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Budget`] if it does not fit; nothing has changed then.
    pub fn admit(&mut self, footprint: &HoleFootprint) -> Result<(), Error> {
        let largest = self
            .largest
            .map_or(*footprint, |largest| largest.union(footprint));
        if self.largest == Some(largest) {
            return Ok(());
        }
        let before = self.window;
        let first = self.largest.is_none();
        self.fit(&largest).map_err(|needed| Error::Budget {
            property: "host-budget",
            budget: self.budget,
            needed,
            width: self.frames.width as usize,
            height: self.frames.height as usize,
        })?;
        self.largest = Some(largest);
        if first || self.window != before {
            self.notices.push(Notice::Planned {
                plan: self.plan(),
                bytes: self.usage.host_planned,
                budget: self.budget,
            });
        }
        Ok(())
    }

    /// Shortens the window until such holes fit. Returns the bytes needed if none does.
    fn fit(&mut self, footprint: &HoleFootprint) -> Result<(), u64> {
        let (frames, before) = (&self.frames, self.window);
        let window = match frames.needs(before, footprint) {
            needed if needed <= self.budget => before,
            needed if !self.may_shrink => return Err(needed),
            _ => frames.fit(self.budget, before, footprint)?,
        };
        self.usage.host_planned = frames.needs(window, footprint);
        if window != before {
            self.window = window;
            self.usage.degraded = Degradation::NONE.with(Step::Window);
            self.notices.push(Notice::Degraded {
                step: Step::Window,
                from: describe(before),
                to: describe(window),
            });
        }
        Ok(())
    }

    /// Records how many bytes the window holds and how many of its frames are not final yet.
    pub fn record_use(&mut self, window_bytes: u64, waiting: usize) {
        let outside = self.frames.outside;
        let waiting = waiting as u64 * (outside.frame + self.frames.kept);
        let usage = &mut self.usage;
        usage.host = window_bytes + waiting + outside.always;
        usage.host_peak = usage.host_peak.max(usage.host);
    }

    /// Describes the current plan in one line.
    pub fn plan(&self) -> String {
        let Frames { width, height, .. } = self.frames;
        format!("{width}x{height} {}", describe(self.window))
    }

    /// Returns the current memory figures.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Takes the notices collected since the last call.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }
}

/// Describes a window in one line.
fn describe(WindowLengths { ahead, past }: WindowLengths) -> String {
    format!("lookahead={ahead} past={past}")
}
