//! The effort of one engine from frame to frame: what the current one may cost, and what it took.

use std::time::Duration;

use super::{
    Effort,
    control::{Allowance, EffortControl, StepTimes},
};
use crate::effort::{Deadline, EffortStats, Tier};

/// See the [module documentation](self).
pub struct Pace {
    /// When the call is due; `None` without a time limit.
    deadline: Option<Deadline>,
    control: EffortControl,
    effort: Effort,
    /// The tier of `effort`, and the time that the call had at its beginning.
    begun: Option<(Tier, Allowance)>,
    times: StepTimes,
    /// Frames with a hole that this call has filled.
    filled: u64,
    stats: EffortStats,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            deadline: None,
            control: EffortControl::default(),
            effort: Effort::new(Tier::Full, None),
            begun: None,
            times: StepTimes::default(),
            filled: 0,
            stats: EffortStats::default(),
        }
    }
}

impl Pace {
    /// Returns what the current frame may cost.
    pub fn effort(&self) -> &Effort {
        &self.effort
    }

    /// Sets when the next call is due.
    pub fn set_deadline(&mut self, deadline: Option<Deadline>) {
        self.deadline = deadline;
    }

    /// Chooses the effort of a call that takes a frame with a hole of this size, in any unit.
    pub fn begin(&mut self, size: u32) {
        (self.times, self.filled) = (StepTimes::default(), 0);
        self.begun = self.deadline.as_ref().map(|deadline| {
            let allowance = Allowance {
                interval: deadline.interval,
                left: deadline.left(),
            };
            let tier = self.control.begin(size, allowance);
            (deadline.tier.unwrap_or(tier), allowance)
        });
        let tier = self.begun.map_or(Tier::Full, |(tier, _)| tier);
        self.effort = Effort::new(tier, self.deadline.clone());
    }

    /// Notes that the estimation of flow, which began at `start` by the effort's clock, has ended.
    pub fn estimated_flow(&mut self, start: Duration) {
        self.times.flow = self.effort.now().saturating_sub(start);
    }

    /// Notes the time that the fill of a frame took.
    pub fn filled(&mut self, times: StepTimes) {
        self.times.search += times.search;
        self.times.patches += times.patches;
        self.filled += 1;
    }

    /// Ends the call.
    pub fn end(&mut self) {
        let begun = self.begun.take();
        let tier = begun.map_or(Tier::Full, |(tier, _)| tier);
        let filled = std::mem::take(&mut self.filled);
        self.stats.frames[tier as usize] += filled;
        let Some((_, allowance)) = begun else {
            return;
        };
        let early = self.effort.ended_early();
        self.stats.ended_early += u64::from(early);
        // Several frames at once are no measure of one.
        let chosen = self.deadline.as_ref().is_none_or(|d| d.tier.is_none());
        if filled == 1 && chosen {
            self.control.end(self.times, early, allowance);
        }
        self.stats.changes = self.control.changes();
        self.stats.tier = self.control.tier();
    }

    /// Returns the counts so far.
    pub fn stats(&self) -> EffortStats {
        self.stats
    }
}
