//! The kernels that a stretch of work launches, and the same work with nothing computed.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use burn_cubecl::cubecl::{
    dry_run::DryRun,
    logging::{LaunchObservation, LaunchObserver},
};

#[derive(Default)]
struct Counter(AtomicU64);

impl LaunchObserver for Counter {
    fn launched(&self, _: &'static str) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts the launches of this process, on all devices, for as long as it lives. A graph that is
/// replayed counts as nothing.
pub struct Launches {
    counter: Arc<Counter>,
    _observation: LaunchObservation,
}

impl Launches {
    /// Begins to count.
    pub fn watch() -> Self {
        let counter = Arc::new(Counter::default());
        Self {
            _observation: LaunchObservation::new(counter.clone()),
            counter,
        }
    }

    /// Returns the launches so far.
    pub fn count(&self) -> u64 {
        self.counter.0.load(Ordering::Relaxed)
    }
}

/// Keeps every kernel of this process from running, for as long as it lives: it is compiled,
/// and its launch dropped. What is read from a device means nothing meanwhile; the time of a call is
/// that of the host alone.
pub struct NothingComputed {
    _dry_run: DryRun,
}

impl NothingComputed {
    /// Begins to drop launches.
    pub fn begin() -> Self {
        Self {
            _dry_run: DryRun::new(),
        }
    }
}
