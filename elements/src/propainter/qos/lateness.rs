//! Frames that come late by themselves, which is not the engine's doing.

use gst::ClockTime;

use crate::propainter::{
    qos::recent::{Recent, WINDOW},
    stream::state::State,
};

/// Late frames among the last ones that are worth a warning.
const MANY: u32 = WINDOW / 5;

/// How much of the delay is forgotten with each frame.
const FORGOTTEN: u64 = 64;

/// How late the source is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lateness {
    recent: Recent,
    /// By how much frames came late lately; sinks behind see that much lateness, too.
    pub delay: ClockTime,
    /// Many frames come late.
    episode: bool,
}

impl Lateness {
    /// Notes that a frame came so much late; true where many do from now on.
    fn note(&mut self, delay: ClockTime) -> bool {
        self.delay = delay.max(self.delay - self.delay / FORGOTTEN);
        let late = self.recent.push(delay > ClockTime::ZERO);
        let many = late >= MANY;
        let begins = many && !self.episode;
        self.episode = many || (self.episode && late > 0);
        begins
    }
}

/// What a frame's coming means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The running time from which on the frame's stay counts: its own, later by as much as frames
    /// came late lately.
    pub counts_from: Option<ClockTime>,
    /// Many frames come late from now on.
    pub begins: bool,
}

impl State {
    /// Notes that a frame of this running time came in at `now`. A frame waits for later ones, and
    /// frames may come in bunches, so the whole stream counts as late as its latest frames.
    pub fn note_arrival(&mut self, time: Option<ClockTime>, now: Option<ClockTime>) -> Arrival {
        let clocked = now.filter(|_| self.live && self.playing);
        let Some((time, now)) = time.zip(clocked) else {
            return Arrival {
                counts_from: time,
                begins: false,
            };
        };
        let delay = now.saturating_sub(time.saturating_add(self.upstream));
        // What is left of the time for computing is enough for a little lateness.
        let little = self.frame_duration().min(self.processing_latency()) / 4;
        let delay = if delay > little {
            delay
        } else {
            ClockTime::ZERO
        };
        let begins = self.lateness.note(delay);
        self.counts.late_arrivals += u64::from(delay > ClockTime::ZERO);
        let counted = if self.lateness.delay > little {
            self.lateness.delay
        } else {
            ClockTime::ZERO
        };
        Arrival {
            counts_from: Some(time.saturating_add(counted)),
            begins,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u64 = 40;

    fn ms(milliseconds: u64) -> Option<ClockTime> {
        Some(ClockTime::from_mseconds(milliseconds))
    }

    fn live() -> State {
        let mut state = State {
            live: true,
            playing: true,
            longest: ClockTime::from_mseconds(FRAME),
            ..State::default()
        };
        state.settings.processing_latency = ms(FRAME);
        state
    }

    #[test]
    fn a_frame_in_time_counts_from_its_own_time() {
        let mut state = live();
        state.upstream = ClockTime::from_mseconds(100);
        for i in 0..200 {
            let arrival = state.note_arrival(ms(FRAME * i), ms(FRAME * i + 108));
            assert_eq!(arrival.counts_from, ms(FRAME * i));
            assert!(!arrival.begins);
        }
        assert_eq!(state.counts.late_arrivals, 0);
    }

    #[test]
    fn a_late_frame_counts_from_its_coming() {
        let mut state = live();
        let begins: Vec<_> = (0..100)
            .map(|i| {
                let arrival = state.note_arrival(ms(FRAME * i), ms(FRAME * i + 2000));
                assert_eq!(arrival.counts_from, ms(FRAME * i + 2000));
                arrival.begins
            })
            .collect();
        assert_eq!(
            begins.iter().position(|&begins| begins),
            Some(MANY as usize - 1)
        );
        assert_eq!(begins.iter().filter(|&&begins| begins).count(), 1);
        assert_eq!(state.counts.late_arrivals, 100);
        assert_eq!(state.lateness.delay, ClockTime::from_seconds(2));
    }

    #[test]
    fn a_single_late_frame_is_worth_no_warning() {
        let mut state = live();
        for i in 0..300 {
            let late = if i % 60 == 30 { 500 } else { 0 };
            let arrival = state.note_arrival(ms(FRAME * i), ms(FRAME * i + late));
            assert!(!arrival.begins);
        }
        assert_eq!(state.counts.late_arrivals, 5);
    }

    #[test]
    fn frames_that_come_in_a_bunch_count_one_after_the_other() {
        let mut state = live();
        for i in 0..20 {
            let arrival = state.note_arrival(ms(FRAME * i), ms(1000));
            let from = arrival.counts_from.unwrap();
            let evenly = ClockTime::from_mseconds(1000 + FRAME * i);
            assert!(
                from <= evenly && from + ClockTime::from_mseconds(280) > evenly,
                "{from}"
            );
        }
    }

    #[test]
    fn lateness_is_forgotten() {
        let mut state = live();
        state.note_arrival(ms(0), ms(1000));
        let last = (1..400).map(|i| state.note_arrival(ms(FRAME * i), ms(FRAME * i)));
        assert_eq!(last.last().unwrap().counts_from, ms(FRAME * 399));
    }

    #[test]
    fn in_a_file_no_frame_is_late() {
        let mut state = live();
        state.live = false;
        let arrival = state.note_arrival(ms(0), ms(5000));
        assert_eq!(arrival.counts_from, ms(0));
        assert_eq!(state.counts.late_arrivals, 0);
    }
}
