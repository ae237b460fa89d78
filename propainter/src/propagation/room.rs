//! Keeps a window to its budget: before a frame is taken it is known what frames with such holes
//! need, and the window is as long as fits.

use super::{
    Reach,
    bytes::{Frames, Window},
};
use crate::{
    Error,
    memory::{Degradation, Notice, Step, Usage},
};

/// The window, and what it may take.
pub struct Room {
    frames: Frames,
    budget: u64,
    /// Whether the window may be shorter than wished for.
    may_shrink: bool,
    window: Window,
    /// The most that holes reached so far.
    reach: Option<Reach>,
    usage: Usage,
    notices: Vec<Notice>,
}

impl Room {
    /// A window of `wish` over such frames. `budget` is in bytes.
    ///
    /// # Errors
    /// What the window, or the shortest one where it may shrink, needs for frames without a hole,
    /// where that is more.
    pub fn new(frames: Frames, budget: u64, wish: Window, may_shrink: bool) -> Result<Self, u64> {
        let least = Reach::default();
        match frames.needs(wish, &least) {
            needed if needed <= budget => {}
            needed if !may_shrink => return Err(needed),
            _ => drop(frames.fit(budget, wish, &least)?),
        }
        Ok(Self {
            frames,
            budget,
            may_shrink,
            window: wish,
            reach: None,
            usage: Usage {
                host_budget: budget,
                ..Usage::default()
            },
            notices: Vec::new(),
        })
    }

    pub fn window(&self) -> Window {
        self.window
    }

    /// Frames wait for no more than so many later ones from now on.
    pub fn limit_latency(&mut self, frames: usize) {
        self.window.ahead = self.window.ahead.min(frames);
    }

    /// Sees to it that a frame with such a hole fits.
    ///
    /// # Errors
    /// [`Error::Budget`]; nothing has changed then.
    pub fn make(&mut self, hole: &Reach) -> Result<(), Error> {
        let most = self.reach.map_or(*hole, |reach| reach.union(hole));
        if self.reach == Some(most) {
            return Ok(());
        }
        let before = self.window;
        let first = self.reach.is_none();
        self.fit(&most).map_err(|needed| Error::Budget {
            property: "host-budget",
            budget: self.budget,
            needed,
            width: self.frames.width as usize,
            height: self.frames.height as usize,
        })?;
        self.reach = Some(most);
        if first || self.window != before {
            self.notices.push(Notice::Planned {
                plan: self.plan(),
                bytes: self.usage.host_planned,
                budget: self.budget,
            });
        }
        Ok(())
    }

    fn fit(&mut self, reach: &Reach) -> Result<(), u64> {
        let (frames, before) = (&self.frames, self.window);
        let window = match frames.needs(before, reach) {
            needed if needed <= self.budget => before,
            needed if !self.may_shrink => return Err(needed),
            _ => frames.fit(self.budget, before, reach)?,
        };
        self.usage.host_planned = frames.needs(window, reach);
        if window != before {
            self.window = window;
            self.usage.degraded = Degradation::NONE.with(Step::Window);
            self.notices.push(Notice::Degraded {
                step: Step::Window,
                from: line(before),
                to: line(window),
            });
        }
        Ok(())
    }

    /// Notes how many bytes the window holds, and how many of its frames are not final.
    pub fn note(&mut self, held: u64, waiting: usize) {
        let outside = self.frames.outside;
        let waiting = waiting as u64 * (outside.frame + self.frames.kept);
        let usage = &mut self.usage;
        usage.host = held + waiting + outside.always;
        usage.host_peak = usage.host_peak.max(usage.host);
    }

    /// The plan at work, in one line.
    pub fn plan(&self) -> String {
        let Frames { width, height, .. } = self.frames;
        format!("{width}x{height} {}", line(self.window))
    }

    pub fn usage(&self) -> Usage {
        self.usage
    }

    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }
}

fn line(Window { ahead, past }: Window) -> String {
    format!("lookahead={ahead} past={past}")
}
