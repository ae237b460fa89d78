//! Who is on duty: the engine, or a stand-in while the engine is too slow or its device fails.
//! Counts frames only, so that it knows no clock.

use crate::propainter::qos::recent::Recent;

/// Late frames, less those in time since, after which the engine is relieved.
const STRIKES: u32 = 5;
/// Late frames among the last ones that are an episode; a single one is not.
const MANY: u32 = 5;
/// Frames that a stand-in works before the engine is tried again: the first time, and at most.
const PAUSE: u32 = 25;
const LONGEST: u32 = 1500;
/// Failures of a device, without a success between them, after which it is given up.
pub const TRIES: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Engine,
    StandIn,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Working,
    /// The engine is tried again: the first late frame relieves it.
    Trial,
    /// A stand-in works for so many frames more.
    Standing(u32),
    /// The device is given up; a stand-in works for good.
    GivenUp,
}

/// What a late frame means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Late {
    /// An episode begins with it.
    pub begins: bool,
    /// The engine is relieved: what it holds goes to a stand-in.
    pub relieved: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Duty {
    phase: Phase,
    /// From when many frames were late to the proof that the engine keeps up again.
    episode: bool,
    recent: Recent,
    strikes: u32,
    /// Frames of the engine in time, one after the other.
    streak: u32,
    /// Length of the next time a stand-in works.
    pause: u32,
    /// Failures of the device without a success between them.
    failures: u32,
    /// The first frame, by its number in the line, for whose delay the engine answers.
    answers_from: u64,
}

impl Default for Duty {
    fn default() -> Self {
        Self {
            phase: Phase::default(),
            episode: false,
            recent: Recent::default(),
            strikes: 0,
            streak: 0,
            pause: PAUSE,
            failures: 0,
            answers_from: 0,
        }
    }
}

impl Duty {
    /// Who takes the next frame, which has this number.
    pub fn next(&mut self, id: u64) -> Who {
        match &mut self.phase {
            Phase::Working | Phase::Trial => Who::Engine,
            Phase::GivenUp => Who::StandIn,
            Phase::Standing(0) => {
                self.phase = Phase::Trial;
                (self.strikes, self.streak) = (0, 0);
                // Those before it were a stand-in's.
                self.answers_from = id;
                Who::Engine
            }
            Phase::Standing(left) => {
                *left -= 1;
                Who::StandIn
            }
        }
    }

    /// Whether a stand-in works at present.
    pub fn stands_in(&self) -> bool {
        matches!(self.phase, Phase::Standing(_) | Phase::GivenUp)
    }

    /// Whether that is for a device's failure.
    pub fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// The engine is being opened: frames that have to go meanwhile are no sign of what it can
    /// do.
    pub fn opening(&mut self) {
        self.answers_from = u64::MAX;
    }

    /// The engine is open, and answers for frames from this number on.
    pub fn opened(&mut self, answers_from: u64) {
        self.answers_from = answers_from;
    }

    /// The frame of this number had to go before the engine was done with it.
    pub fn late(&mut self, id: u64) -> Late {
        if id < self.answers_from {
            return Late::default();
        }
        let many = self.recent.push(true) >= MANY;
        self.streak = 0;
        self.strikes += 1;
        let relieved = match self.phase {
            Phase::Working => self.strikes >= STRIKES,
            Phase::Trial => true,
            Phase::Standing(_) | Phase::GivenUp => false,
        };
        if relieved {
            self.stand_in();
        }
        let episode = self.episode || many || relieved;
        let begins = episode && !std::mem::replace(&mut self.episode, episode);
        Late { begins, relieved }
    }

    /// A frame of the engine went in time; `proof` of them end an episode. Whether one ended.
    pub fn in_time(&mut self, proof: u32) -> bool {
        self.recent.push(false);
        self.strikes = self.strikes.saturating_sub(1);
        self.streak = self.streak.saturating_add(1);
        if self.streak < proof || self.stands_in() {
            return false;
        }
        self.phase = Phase::Working;
        (self.pause, self.failures) = (PAUSE, 0);
        std::mem::take(&mut self.episode)
    }

    /// The device failed. After the first time it is opened again at once, later after a
    /// pause. How often it failed; `None`: it is given up.
    pub fn failed(&mut self) -> Option<u32> {
        (self.streak, self.answers_from) = (0, 0);
        self.failures += 1;
        match self.failures {
            1 => self.phase = Phase::Trial,
            2..TRIES => self.stand_in(),
            _ => {
                self.phase = Phase::GivenUp;
                return None;
            }
        }
        Some(self.failures)
    }

    fn stand_in(&mut self) {
        self.phase = Phase::Standing(self.pause);
        self.pause = (2 * self.pause).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROOF: u32 = 40;

    /// Frames that a stand-in takes before the engine is tried.
    fn standing(duty: &mut Duty) -> u32 {
        let mut frames = 0;
        while duty.next(0) == Who::StandIn {
            frames += 1;
        }
        frames
    }

    #[test]
    fn a_hiccup_is_no_episode_and_relieves_nobody() {
        let mut duty = Duty::default();
        for _ in 0..20 {
            for _ in 0..MANY - 1 {
                assert_eq!(duty.late(0), Late::default());
            }
            assert!((0..PROOF + 10).all(|_| !duty.in_time(PROOF)));
        }
        assert_eq!(duty.next(0), Who::Engine);
    }

    #[test]
    fn late_frames_now_and_then_are_an_episode_but_relieve_nobody() {
        let mut duty = Duty::default();
        let mut begun = 0;
        for _ in 0..20 {
            let late = duty.late(0);
            assert!(!late.relieved);
            begun += u32::from(late.begins);
            assert!(!duty.in_time(PROOF));
        }
        assert_eq!(begun, 1);
        let ended = (0..PROOF).filter(|_| duty.in_time(PROOF)).count();
        assert_eq!(ended, 1);
    }

    #[test]
    fn an_overload_is_one_episode_with_ever_rarer_trials() {
        let mut duty = Duty::default();
        let relieved = (0..STRIKES).filter(|_| duty.late(0).relieved).count();
        assert_eq!(relieved, 1);
        let mut pauses = vec![];
        for _ in 0..9 {
            pauses.push(standing(&mut duty));
            let late = duty.late(0);
            assert!(late.relieved && !late.begins);
        }
        assert_eq!(pauses[..4], [25, 50, 100, 200]);
        assert_eq!(pauses[8], LONGEST);
    }

    #[test]
    fn a_trial_that_goes_well_ends_the_episode_and_its_pauses() {
        let mut duty = Duty::default();
        (0..STRIKES).for_each(|_| _ = duty.late(0));
        assert_eq!(standing(&mut duty), PAUSE);
        assert!(!duty.in_time(PROOF));
        assert!(duty.late(0).relieved);
        assert_eq!(standing(&mut duty), 2 * PAUSE);
        let ended = (0..PROOF).filter(|_| duty.in_time(PROOF)).count();
        assert_eq!(ended, 1);
        (0..STRIKES).for_each(|_| _ = duty.late(0));
        assert_eq!(standing(&mut duty), PAUSE);
    }

    #[test]
    fn the_engine_answers_for_no_frame_from_before_it_was_open_or_tried() {
        let mut duty = Duty::default();
        duty.opening();
        assert!((0..100).all(|id| duty.late(id) == Late::default()));
        duty.opened(110);
        assert!((100..110).all(|id| duty.late(id) == Late::default()));
        let relieved = (110..).find(|&id| duty.late(id).relieved);
        assert_eq!(relieved, Some(110 + u64::from(STRIKES) - 1));
        let trial = (115..).find(|&id| duty.next(id) == Who::Engine).unwrap();
        assert_eq!(duty.late(trial - 1), Late::default(), "a stand-in's");
        assert!(duty.late(trial).relieved);
    }

    #[test]
    fn a_device_is_tried_at_once_then_later_then_given_up() {
        let mut duty = Duty::default();
        assert_eq!(duty.failed(), Some(1));
        assert_eq!(duty.next(0), Who::Engine);
        for (failures, pause) in (2..TRIES).zip([25, 50, 100]) {
            assert_eq!(duty.failed(), Some(failures));
            assert_eq!(standing(&mut duty), pause);
        }
        assert_eq!(duty.failed(), None);
        assert!((0..10_000).all(|_| duty.next(0) == Who::StandIn));
    }

    #[test]
    fn a_device_that_works_again_has_all_its_tries() {
        let mut duty = Duty::default();
        for _ in 0..20 {
            assert_eq!(duty.failed(), Some(1));
            (0..PROOF).for_each(|_| _ = duty.in_time(PROOF));
        }
    }
}
