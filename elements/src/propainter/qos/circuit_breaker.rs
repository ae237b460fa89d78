//! The circuit breaker: it sends frames to the fallback while the engine is too slow or its device
//! fails, and tries the engine again after a back-off.
//!
//! It counts frames only and knows no clock.

use crate::propainter::qos::recent::RecentFrames;

/// Number of late frames, less the frames in time since, at which the breaker opens.
const THRESHOLD: u32 = 5;
/// Number of late frames among the last ones that makes an episode; a single one does not.
const MANY: u32 = 5;
/// Frames for which the breaker stays open before the engine is tried again: the first time, and
/// at most. The back-off doubles each time.
const BACK_OFF: u32 = 25;
const LONGEST_BACK_OFF: u32 = 1500;
/// Number of failures of a device, without a success between them, after which it is given up.
pub const MAX_FAILURES: u32 = 5;

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Engine,
    Fallback,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Circuit {
    /// Frames go to the engine.
    #[default]
    Closed,
    /// The engine is tried again: the first late frame opens the breaker.
    HalfOpen,
    /// The next `left` frames go to the fallback.
    Open { left: u32 },
    /// The device is given up: all frames go to the fallback.
    Disabled,
}

/// The consequences of a late frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Late {
    /// An episode of overload begins.
    pub begins: bool,
    /// The breaker opens: the frames that the engine holds go to the fallback.
    pub opens: bool,
}

/// See the [module documentation](self).
#[derive(Clone, Copy, Debug)]
pub struct CircuitBreaker {
    circuit: Circuit,
    /// An episode lasts from many late frames to the proof that the engine keeps up again.
    episode: bool,
    recent: RecentFrames,
    /// Late frames, less the frames in time since.
    strikes: u32,
    /// Consecutive frames of the engine in time.
    streak: u32,
    /// Length of the next back-off in frames.
    back_off: u32,
    /// Failures of the device without a success between them.
    failures: u32,
    /// Number of the first frame whose delay the engine is responsible for.
    responsible_from: u64,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self {
            circuit: Circuit::default(),
            episode: false,
            recent: RecentFrames::default(),
            strikes: 0,
            streak: 0,
            back_off: BACK_OFF,
            failures: 0,
            responsible_from: 0,
        }
    }
}

impl CircuitBreaker {
    /// Returns where the frame of this number goes.
    pub fn route(&mut self, id: u64) -> Route {
        match &mut self.circuit {
            Circuit::Closed | Circuit::HalfOpen => Route::Engine,
            Circuit::Disabled => Route::Fallback,
            Circuit::Open { left: 0 } => {
                self.circuit = Circuit::HalfOpen;
                (self.strikes, self.streak) = (0, 0);
                // The frames before it went to the fallback.
                self.responsible_from = id;
                Route::Engine
            }
            Circuit::Open { left } => {
                *left -= 1;
                Route::Fallback
            }
        }
    }

    /// Returns whether frames go to the fallback.
    pub fn is_open(&self) -> bool {
        matches!(self.circuit, Circuit::Open { .. } | Circuit::Disabled)
    }

    /// Returns whether the device has failed since the last proof that it works.
    pub fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Notes that the engine is being opened: frames that are late meanwhile do not tell how fast
    /// it is.
    pub fn opening(&mut self) {
        self.responsible_from = u64::MAX;
    }

    /// Notes that the engine is open and responsible for frames from this number on.
    pub fn opened(&mut self, responsible_from: u64) {
        self.responsible_from = responsible_from;
    }

    /// Notes that the frame of this number was due before the engine was done with it.
    pub fn late(&mut self, id: u64) -> Late {
        if id < self.responsible_from {
            return Late::default();
        }
        let many = self.recent.push(true) >= MANY;
        self.streak = 0;
        self.strikes += 1;
        let opens = match self.circuit {
            Circuit::Closed => self.strikes >= THRESHOLD,
            Circuit::HalfOpen => true,
            Circuit::Open { .. } | Circuit::Disabled => false,
        };
        if opens {
            self.open();
        }
        let episode = self.episode || many || opens;
        let begins = episode && !std::mem::replace(&mut self.episode, episode);
        Late { begins, opens }
    }

    /// Notes that a frame of the engine went out in time, and returns whether that ends an
    /// episode. `proof` consecutive frames do.
    pub fn in_time(&mut self, proof: u32) -> bool {
        self.recent.push(false);
        self.strikes = self.strikes.saturating_sub(1);
        self.streak = self.streak.saturating_add(1);
        if self.streak < proof || self.is_open() {
            return false;
        }
        self.circuit = Circuit::Closed;
        (self.back_off, self.failures) = (BACK_OFF, 0);
        std::mem::take(&mut self.episode)
    }

    /// Notes a failure of the device and returns how many there were; `None` if the device is
    /// given up. After the first failure the device is tried again at once, then after a back-off.
    pub fn failed(&mut self) -> Option<u32> {
        (self.streak, self.responsible_from) = (0, 0);
        self.failures += 1;
        match self.failures {
            1 => self.circuit = Circuit::HalfOpen,
            2..MAX_FAILURES => self.open(),
            _ => {
                self.circuit = Circuit::Disabled;
                return None;
            }
        }
        Some(self.failures)
    }

    /// Notes that the device is lost: all frames go to the fallback from now on.
    pub fn give_up(&mut self) {
        self.failures += 1;
        self.circuit = Circuit::Disabled;
    }

    fn open(&mut self) {
        self.circuit = Circuit::Open {
            left: self.back_off,
        };
        self.back_off = (2 * self.back_off).min(LONGEST_BACK_OFF);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROOF: u32 = 40;

    /// Returns the number of frames that go to the fallback before the engine is tried.
    fn bypassed(breaker: &mut CircuitBreaker) -> u32 {
        let mut frames = 0;
        while breaker.route(0) == Route::Fallback {
            frames += 1;
        }
        frames
    }

    #[test]
    fn a_hiccup_is_no_episode_and_opens_nothing() {
        let mut breaker = CircuitBreaker::default();
        for _ in 0..20 {
            for _ in 0..MANY - 1 {
                assert_eq!(breaker.late(0), Late::default());
            }
            assert!((0..PROOF + 10).all(|_| !breaker.in_time(PROOF)));
        }
        assert_eq!(breaker.route(0), Route::Engine);
    }

    #[test]
    fn occasional_late_frames_are_an_episode_but_open_nothing() {
        let mut breaker = CircuitBreaker::default();
        let mut begun = 0;
        for _ in 0..20 {
            let late = breaker.late(0);
            assert!(!late.opens);
            begun += u32::from(late.begins);
            assert!(!breaker.in_time(PROOF));
        }
        assert_eq!(begun, 1);
        let ended = (0..PROOF).filter(|_| breaker.in_time(PROOF)).count();
        assert_eq!(ended, 1);
    }

    #[test]
    fn an_overload_is_one_episode_with_a_growing_back_off() {
        let mut breaker = CircuitBreaker::default();
        let opened = (0..THRESHOLD).filter(|_| breaker.late(0).opens).count();
        assert_eq!(opened, 1);
        let mut back_offs = vec![];
        for _ in 0..9 {
            back_offs.push(bypassed(&mut breaker));
            let late = breaker.late(0);
            assert!(late.opens && !late.begins);
        }
        assert_eq!(back_offs[..4], [25, 50, 100, 200]);
        assert_eq!(back_offs[8], LONGEST_BACK_OFF);
    }

    #[test]
    fn a_trial_that_succeeds_ends_the_episode_and_resets_the_back_off() {
        let mut breaker = CircuitBreaker::default();
        (0..THRESHOLD).for_each(|_| _ = breaker.late(0));
        assert_eq!(bypassed(&mut breaker), BACK_OFF);
        assert!(!breaker.in_time(PROOF));
        assert!(breaker.late(0).opens);
        assert_eq!(bypassed(&mut breaker), 2 * BACK_OFF);
        let ended = (0..PROOF).filter(|_| breaker.in_time(PROOF)).count();
        assert_eq!(ended, 1);
        (0..THRESHOLD).for_each(|_| _ = breaker.late(0));
        assert_eq!(bypassed(&mut breaker), BACK_OFF);
    }

    #[test]
    fn the_engine_is_not_responsible_for_frames_from_before_it_was_open_or_tried() {
        let mut breaker = CircuitBreaker::default();
        breaker.opening();
        assert!((0..100).all(|id| breaker.late(id) == Late::default()));
        breaker.opened(110);
        assert!((100..110).all(|id| breaker.late(id) == Late::default()));
        let opened = (110..).find(|&id| breaker.late(id).opens);
        assert_eq!(opened, Some(110 + u64::from(THRESHOLD) - 1));
        let trial = (115..)
            .find(|&id| breaker.route(id) == Route::Engine)
            .unwrap();
        assert_eq!(breaker.late(trial - 1), Late::default(), "the fallback's");
        assert!(breaker.late(trial).opens);
    }

    #[test]
    fn a_device_is_tried_at_once_then_later_then_given_up() {
        let mut breaker = CircuitBreaker::default();
        assert_eq!(breaker.failed(), Some(1));
        assert_eq!(breaker.route(0), Route::Engine);
        for (failures, back_off) in (2..MAX_FAILURES).zip([25, 50, 100]) {
            assert_eq!(breaker.failed(), Some(failures));
            assert_eq!(bypassed(&mut breaker), back_off);
        }
        assert_eq!(breaker.failed(), None);
        assert!((0..10_000).all(|_| breaker.route(0) == Route::Fallback));
    }

    #[test]
    fn a_device_that_is_lost_is_never_tried_again() {
        let mut breaker = CircuitBreaker::default();
        breaker.give_up();
        assert!(breaker.is_open() && breaker.has_failed());
        assert!((0..10_000).all(|_| breaker.route(0) == Route::Fallback));
    }

    #[test]
    fn a_device_that_works_again_has_all_its_tries() {
        let mut breaker = CircuitBreaker::default();
        for _ in 0..20 {
            assert_eq!(breaker.failed(), Some(1));
            (0..PROOF).for_each(|_| _ = breaker.in_time(PROOF));
        }
    }
}
