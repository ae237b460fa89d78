//! How long a session may take for a frame, and what it gives up to keep to that.

use std::{
    fmt,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

/// How long a session may take for its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimit {
    /// The interval at which frames come: the time for each of them on average.
    pub interval: Duration,
    /// The time that the next call may take.
    pub left: Duration,
}

/// What the engine without networks spends on a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Every step searches all that it can: the only tier of streams without a time limit.
    #[default]
    Full,
    /// Distant frames are not visited.
    High,
    /// Only near frames are visited, and patches are searched once on each level.
    Medium,
    /// Flow and patches are searched at half the resolution.
    Low,
    /// The cheapest fill of the engine, most of it inherited from the frame before.
    Least,
}

impl Tier {
    /// All tiers, the most expensive first.
    pub const ALL: [Self; 5] = [Self::Full, Self::High, Self::Medium, Self::Low, Self::Least];

    /// Returns the name of the tier.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Least => "least",
        }
    }

    /// Returns the tier that costs one step less, or the least.
    pub(crate) fn lower(self) -> Self {
        Self::ALL[(self as usize + 1).min(Self::ALL.len() - 1)]
    }

    /// Returns the tier that costs one step more, or full effort.
    pub(crate) fn higher(self) -> Self {
        Self::ALL[(self as usize).saturating_sub(1)]
    }
}

/// The effort of an engine, which is full without a time limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EffortStats {
    /// The tier in force.
    pub tier: Tier,
    /// Frames that were filled in each tier, in the order of [`Tier::ALL`].
    pub frames: [u64; Tier::ALL.len()],
    /// Number of times that the tier in force has changed.
    pub changes: u64,
    /// Frames of which a step ended early, as they would have been late otherwise.
    pub ended_early: u64,
}

impl EffortStats {
    /// Returns the effort of two engines together. The lower tier is in force.
    pub(crate) fn and(self, other: Self) -> Self {
        let mut frames = self.frames;
        for (frames, other) in frames.iter_mut().zip(other.frames) {
            *frames += other;
        }
        Self {
            tier: self.tier.max(other.tier),
            frames,
            changes: self.changes + other.changes,
            ended_early: self.ended_early + other.ended_early,
        }
    }

    /// Returns the effort of an engine that replaces another.
    pub(crate) fn after(self, before: &Self) -> Self {
        Self {
            tier: self.tier,
            ..self.and(*before)
        }
    }
}

/// A clock that never goes back: the system's, or that of a test.
#[derive(Clone, Default)]
pub(crate) struct Clock(Option<Arc<Reading>>);

type Reading = dyn Fn() -> Duration + Send + Sync;

impl Clock {
    /// Returns a clock of a test, which shows what `reading` returns.
    #[cfg(feature = "internals")]
    pub fn of_test(reading: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(reading)))
    }

    /// Returns the time since some moment in the past.
    pub fn now(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        match &self.0 {
            Some(reading) => reading(),
            None => START.elapsed(),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// When the running call is due, by a clock, and the interval between frames.
#[derive(Clone, Debug)]
pub(crate) struct Deadline {
    pub clock: Clock,
    pub interval: Duration,
    pub due: Duration,
    /// The tier that a test asks for.
    pub tier: Option<Tier>,
}

impl Deadline {
    /// Returns the deadline of a call that begins now.
    pub fn new(clock: &Clock, limit: TimeLimit) -> Self {
        Self {
            tier: None,
            due: clock.now() + limit.left,
            clock: clock.clone(),
            interval: limit.interval,
        }
    }

    /// Returns the time that is left.
    pub fn left(&self) -> Duration {
        self.due.saturating_sub(self.clock.now())
    }

    /// Returns the deadline of engine number `index` of `count`, which work one after the other and
    /// share the time.
    pub fn share(&self, index: usize, count: usize) -> Self {
        let share = |time: Duration, among: usize| time / (among as u32).max(1);
        Self {
            interval: share(self.interval, count),
            due: self.clock.now() + share(self.left(), count - index),
            ..self.clone()
        }
    }
}
