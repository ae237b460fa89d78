//! The time that each stage of the fill takes, for the benchmark `profile`.
//!
//! Nothing is measured until a clock is set. Figures are those of the whole process.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// A stage of filling a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Luma pyramids, and what a hole's analysis takes.
    Pyramid,
    /// Flow between neighbouring frames, with its completion.
    Flow,
    /// Trajectories, and the choice of the sources that they reach.
    Walk,
    /// Alignment of the surroundings with frames reached.
    Alignment,
    /// Colours at the sources found, and seams between them.
    Seam,
    /// Patch fill of what no frame shows.
    PatchFill,
}

impl Stage {
    /// All stages, in the order in which they run.
    pub const ALL: [Self; 6] = [
        Self::Pyramid,
        Self::Flow,
        Self::Walk,
        Self::Alignment,
        Self::Seam,
        Self::PatchFill,
    ];

    /// Returns the name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pyramid => "pyramid",
            Self::Flow => "flow",
            Self::Walk => "walk",
            Self::Alignment => "alignment",
            Self::Seam => "seam",
            Self::PatchFill => "patch fill",
        }
    }
}

static CLOCK: OnceLock<fn() -> Duration> = OnceLock::new();
static NANOSECONDS: [AtomicU64; Stage::ALL.len()] = [const { AtomicU64::new(0) }; Stage::ALL.len()];

/// Measures all stages with `clock` from now on, for instance with the time that the calling thread
/// has computed. Later calls change nothing.
pub fn measure(clock: fn() -> Duration) {
    CLOCK.get_or_init(|| clock);
}

/// Returns the time of each stage since the last call, in the order of [`Stage::ALL`].
pub fn take() -> [Duration; Stage::ALL.len()] {
    NANOSECONDS
        .each_ref()
        .map(|stage| Duration::from_nanos(stage.swap(0, Ordering::Relaxed)))
}

/// Runs a step and adds its time to a stage.
pub fn timed<T>(stage: Stage, step: impl FnOnce() -> T) -> T {
    let Some(clock) = CLOCK.get() else {
        return step();
    };
    let start = clock();
    let out = step();
    let nanoseconds = clock().saturating_sub(start).as_nanos() as u64;
    NANOSECONDS[stage as usize].fetch_add(nanoseconds, Ordering::Relaxed);
    out
}
