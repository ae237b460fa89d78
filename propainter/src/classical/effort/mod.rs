//! What the fill of a frame may cost: limits of each step, in tiers from full effort to the least.
//!
//! A tier changes how far and how finely the steps search, never how a pixel is composed. What an
//! earlier frame's fill shows stays inherited, so the hole does not flicker at a change.
//! [`EffortControl`](control::EffortControl) chooses the tier before a frame. The steps look at the
//! clock meanwhile, so that a single expensive frame ends in time, too.

pub mod control;
pub mod pace;

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use crate::effort::{Deadline, Tier};

/// Shares of the time left for a frame, in percent, after which each step ends: flow, search,
/// patches. The rest is for what cannot end early, such as blending.
const SHARES: [u32; 3] = [40, 60, 80];

/// The limits of the steps that fill a frame.
#[derive(Debug)]
pub struct Effort {
    /// Finest level of the pyramid on which flow is searched, where 0 is full resolution. Finer
    /// levels take over its flow.
    pub finest_flow: usize,
    /// Largest numbers of steps that refine the match of a patch, in the first and the second pass.
    pub flow_steps: [usize; 2],
    /// Largest number of frames that a trajectory follows in each direction.
    pub reach: usize,
    /// Largest number of frames in each direction that a region is aligned with while pixels are
    /// searched that those frames show.
    pub alignments: usize,
    /// The limits of the patch fill.
    pub patches: PatchEffort,
    /// When the steps end; `None` without a time limit.
    ends: Option<Ends>,
}

/// The limits of the fill of what no frame shows.
#[derive(Debug)]
pub struct PatchEffort {
    /// Largest width in pixels of the surroundings that patches come from.
    pub surroundings: usize,
    /// Largest number of comparisons of the first fill of the coarsest level.
    pub comparisons: usize,
    /// Rounds of the patch search on the coarsest level, which cost next to nothing.
    pub first_rounds: usize,
    /// Rounds on every finer level.
    pub rounds: usize,
    /// Rounds at full resolution after the trial.
    pub last_rounds: usize,
    /// Finest level on which patches are searched, where 0 is full resolution. Finer levels are
    /// interpolated.
    pub finest: usize,
}

/// When the steps of a frame end.
#[derive(Debug)]
struct Ends {
    deadline: Deadline,
    steps: [Duration; SHARES.len()],
    /// Whether a step has ended early.
    early: AtomicBool,
}

impl Effort {
    /// Returns the limits of a tier, for a frame with this deadline.
    pub fn new(tier: Tier, deadline: Option<Deadline>) -> Self {
        let (finest_flow, flow_steps, reach, alignments) = match tier {
            Tier::Full => (0, [4, 3], usize::MAX, usize::MAX),
            Tier::High => (0, [4, 3], 40, 10),
            Tier::Medium => (0, [2, 2], 40, 6),
            Tier::Low => (1, [3, 2], 24, 4),
            Tier::Least => (1, [2, 1], 12, 2),
        };
        let (surroundings, comparisons) = match tier {
            Tier::Full | Tier::High => (usize::MAX, 1 << 20),
            Tier::Medium => (96, 1 << 17),
            Tier::Low => (64, 1 << 15),
            Tier::Least => (48, 1 << 14),
        };
        let (first_rounds, rounds, last_rounds, finest) = match tier {
            Tier::Full => (12, 3, 2, 0),
            Tier::High => (12, 2, 1, 0),
            Tier::Medium => (8, 1, 0, 0),
            Tier::Low => (6, 1, 0, 1),
            Tier::Least => (4, 1, 0, 2),
        };
        let ends = deadline.map(|deadline| {
            let left = deadline.left();
            Ends {
                steps: SHARES.map(|share| deadline.due - left * (100 - share) / 100),
                deadline,
                early: AtomicBool::new(false),
            }
        });
        Self {
            finest_flow,
            flow_steps,
            reach,
            alignments,
            patches: PatchEffort {
                surroundings,
                comparisons,
                first_rounds,
                rounds,
                last_rounds,
                finest,
            },
            ends,
        }
    }

    /// Returns whether flow goes no finer.
    pub fn flow_is_over(&self) -> bool {
        self.is_over(0)
    }

    /// Returns whether no more frames are searched.
    pub fn search_is_over(&self) -> bool {
        self.is_over(1)
    }

    /// Returns whether no more patches are searched.
    pub fn patches_are_over(&self) -> bool {
        self.is_over(2)
    }

    fn is_over(&self, step: usize) -> bool {
        let Some(ends) = &self.ends else {
            return false;
        };
        let over = ends.deadline.clock.now() >= ends.steps[step];
        if over {
            ends.early.store(true, Relaxed);
        }
        over
    }

    /// Returns whether a step has ended early.
    pub fn ended_early(&self) -> bool {
        let ends = self.ends.as_ref();
        ends.is_some_and(|ends| ends.early.load(Relaxed))
    }

    /// Returns the time by the clock that limits the steps; zero without a time limit.
    pub fn now(&self) -> Duration {
        let ends = self.ends.as_ref();
        ends.map_or(Duration::ZERO, |ends| ends.deadline.clock.now())
    }
}
