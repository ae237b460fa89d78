//! Chooses the tier of each frame from the times that the last frames took.
//!
//! It is a state machine that knows no clock. Each step of a frame has an expected time at full
//! effort, learnt from the time that it took at the tier in force. The tier goes down as soon as a
//! frame is expected to take too long, and up one step at a time after many frames that left time
//! for it. A step up that does not last doubles the wait for the next one. A stream starts at the least
//! tier, as nothing is known of its cost.

use std::time::Duration;

use crate::effort::Tier;

/// Share of the interval between frames that a frame may take on average, in percent. The rest is
/// for conversions and for what else runs on the machine.
const SHARE: u32 = 75;
/// The same for a step up, which needs some room.
const SHARE_TO_RISE: u32 = 60;
/// Share of the time left for the next frame that it may be expected to take, in percent.
const SHARE_OF_REST: u32 = 80;
/// Frames with time to spare before a step up: at first, after a step down, and at most.
const FIRST_WAIT: u32 = 12;
const WAIT: u32 = 50;
const LONGEST_WAIT: u32 = 1600;
/// Frames after a step up within which a step down means that it was wrong.
const TRIAL: u32 = 100;
/// Each frame, an expected time that was not reached goes down by one in so many parts of the
/// difference.
const DECAY: u32 = 16;

/// The time that the steps of a frame took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepTimes {
    /// Flow between the last two frames.
    pub flow: Duration,
    /// Trajectories, alignments and the blending of what they found.
    pub search: Duration,
    /// The patch fill of what no frame shows.
    pub patches: Duration,
}

impl StepTimes {
    /// Returns the time of all steps.
    pub fn total(&self) -> Duration {
        self.flow + self.search + self.patches
    }
}

/// The cost of each step in a tier, in percent of full effort: flow, search, patches. From one tier
/// to the next it changes by a factor of two at most, as low tiers say little about high ones.
const fn cost(tier: Tier) -> [u32; 3] {
    match tier {
        Tier::Full => [100, 100, 100],
        Tier::High => [100, 65, 75],
        Tier::Medium => [75, 45, 50],
        Tier::Low => [45, 30, 28],
        Tier::Least => [35, 18, 14],
    }
}

/// The time that a frame has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Interval between frames.
    pub interval: Duration,
    /// Time until this frame is due.
    pub left: Duration,
}

/// See the [module documentation](self).
#[derive(Clone, Debug)]
pub struct EffortControl {
    tier: Tier,
    /// Tier of the frame at hand, which is lower in a hurry.
    current: Tier,
    /// Expected time of each step at full effort, for a hole of size 1.
    expected: [Duration; 3],
    /// The size of the last hole.
    size: u32,
    /// The last frame took longer than it had.
    overran: bool,
    /// Consecutive frames that left time for the next higher tier.
    quiet: u32,
    /// Number of those that a step up takes.
    wait: u32,
    /// Frames since the last step up.
    since_rise: u32,
    changes: u64,
}

impl Default for EffortControl {
    fn default() -> Self {
        Self {
            tier: Tier::Least,
            current: Tier::Least,
            expected: [Duration::ZERO; 3],
            size: 1,
            overran: false,
            quiet: 0,
            wait: FIRST_WAIT,
            since_rise: u32::MAX,
            changes: 0,
        }
    }
}

impl EffortControl {
    /// Returns the tier in force between hurried frames.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// Returns how often that tier has changed.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Returns the time that a frame is expected to take in a tier.
    pub fn expected(&self, tier: Tier) -> Duration {
        let steps = self.expected.iter().zip(cost(tier));
        steps
            .map(|(time, percent)| *time * self.size * percent / 100)
            .sum()
    }

    /// Chooses the tier of the next frame, whose hole has a size of `size`, in any unit.
    pub fn begin(&mut self, size: u32, allowance: Allowance) -> Tier {
        self.size = size.max(1);
        let Allowance { interval, left } = allowance;
        let fits = |control: &Self, tier, most| control.expected(tier) <= most;
        let most = interval * SHARE / 100;
        let mut tier = self.tier;
        while tier != Tier::Least && !fits(self, tier, most) {
            tier = tier.lower();
        }
        if tier == self.tier {
            self.rise(interval);
        } else {
            self.fall(tier);
        }
        self.current = self.tier;
        while self.current != Tier::Least
            && (self.overran || !fits(self, self.current, left * SHARE_OF_REST / 100))
        {
            self.current = self.current.lower();
        }
        self.current
    }

    /// Notes how long the frame took in the tier chosen, and whether a step ended early.
    pub fn end(&mut self, times: StepTimes, ended_early: bool, allowance: Allowance) {
        let steps = [times.flow, times.search, times.patches];
        for ((expected, time), percent) in
            self.expected.iter_mut().zip(steps).zip(cost(self.current))
        {
            let full = time * 100 / percent / self.size;
            *expected = match full > *expected {
                true => full,
                false => *expected - (*expected - full) / DECAY,
            };
        }
        self.overran = ended_early || times.total() > allowance.left;
        if self.overran && self.tier != Tier::Least {
            self.fall(self.current.max(self.tier.lower()));
        }
    }

    /// Goes up a step once there has been time for it for long enough.
    fn rise(&mut self, interval: Duration) {
        self.since_rise = self.since_rise.saturating_add(1);
        let higher = self.tier.higher();
        let room = self.tier != Tier::Full
            && !self.overran
            && self.expected(higher) <= interval * SHARE_TO_RISE / 100;
        self.quiet = if room { self.quiet + 1 } else { 0 };
        if self.quiet >= self.wait {
            self.tier = higher;
            (self.quiet, self.since_rise) = (0, 0);
            self.changes += 1;
        }
        if self.since_rise == (2 * self.wait).max(TRIAL) {
            self.wait = WAIT;
        }
    }

    fn fall(&mut self, tier: Tier) {
        self.wait = match self.since_rise < TRIAL {
            true => (2 * self.wait).clamp(WAIT, LONGEST_WAIT),
            false => self.wait.max(WAIT),
        };
        self.tier = tier;
        (self.quiet, self.since_rise) = (0, u32::MAX);
        self.changes += 1;
    }
}
