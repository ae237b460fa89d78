//! Faults that tests inject to see the engine recover. Only in builds with the feature `internals`.

#[cfg(feature = "networks")]
mod stages;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{Cancel, Error, Tier, effort::Clock};

/// Faults still to come, shared by all clones: a test keeps one clone and gives another to the
/// session.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Planted>>);

#[derive(Debug, Default)]
struct Planted {
    #[cfg(feature = "networks")]
    stages: stages::Stages,
    at_opening: Option<Hook>,
    at_frame: Option<Hook>,
    clock: Clock,
    tier: Option<Tier>,
}

#[derive(Clone)]
struct Hook(Arc<Call>);

type Call = dyn Fn(&Cancel) -> Result<(), Error> + Send + Sync;

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

impl Faults {
    /// Calls `hook` with the session's token before each frame that a session gives its engine. The
    /// hook may block, or fail as a device does: its error becomes the error of the session's call.
    /// A later hook replaces an earlier one.
    pub fn at_each_frame(
        &self,
        hook: impl Fn(&Cancel) -> Result<(), Error> + Send + Sync + 'static,
    ) {
        self.planted().at_frame = Some(Hook(Arc::new(hook)));
    }

    /// Calls `hook` before a session's engine is opened, in the way of
    /// [`at_each_frame`](Self::at_each_frame).
    pub fn at_opening(&self, hook: impl Fn(&Cancel) -> Result<(), Error> + Send + Sync + 'static) {
        self.planted().at_opening = Some(Hook(Arc::new(hook)));
    }

    /// Lets sessions that are opened from now on measure their time by `reading`: the time since some
    /// moment in the past.
    pub fn set_clock(&self, reading: impl Fn() -> Duration + Send + Sync + 'static) {
        self.planted().clock = Clock::of_test(reading);
    }

    /// Lets sessions work in this tier from their next call on, if they have a time limit at all.
    /// `None` lets them choose.
    pub fn set_tier(&self, tier: Option<Tier>) {
        self.planted().tier = tier;
    }

    /// Returns the tier in which sessions work, unless they choose it.
    pub(crate) fn tier(&self) -> Option<Tier> {
        self.planted().tier
    }

    /// Returns the clock by which a session measures its time.
    pub(crate) fn clock(&self) -> Clock {
        self.planted().clock.clone()
    }

    /// Runs the hook for frames, if there is one. Other threads may plant faults meanwhile.
    ///
    /// # Errors
    /// The error of the hook.
    pub(crate) fn frame(&self, cancel: &Cancel) -> Result<(), Error> {
        let hook = self.planted().at_frame.clone();
        hook.map_or(Ok(()), |hook| (hook.0)(cancel))
    }

    /// Runs the hook for openings, if there is one.
    ///
    /// # Errors
    /// The error of the hook.
    pub(crate) fn opening(&self, cancel: &Cancel) -> Result<(), Error> {
        let hook = self.planted().at_opening.clone();
        hook.map_or(Ok(()), |hook| (hook.0)(cancel))
    }

    fn planted(&self) -> MutexGuard<'_, Planted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compares identity, not contents.
impl PartialEq for Faults {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hook_runs_unlocked_and_its_error_comes_back() {
        let faults = Faults::default();
        let token = Cancel::default();
        assert!(faults.frame(&token).is_ok(), "there is none yet");
        let inside = Arc::downgrade(&faults.0);
        faults.at_each_frame(move |cancel| {
            // A lock that is held would be refused.
            let faults = inside.upgrade().expect("the faults are there");
            assert!(faults.try_lock().is_ok());
            cancel.check()
        });
        assert!(faults.clone().frame(&token).is_ok());
        token.cancel();
        assert!(matches!(faults.frame(&token), Err(Error::Cancelled)));
    }
}
