//! Frames that the source delivers late, which is not the engine's fault.

use gst::ClockTime;

use crate::propainter::qos::recent::{RecentFrames, WINDOW};

/// Number of late frames among the last ones that is worth a warning.
const MANY: u32 = WINDOW / 5;

/// Each frame forgets this fraction of the delay.
const FORGOTTEN: u64 = 64;

/// How late the source is.
#[derive(Clone, Copy, Debug, Default)]
pub struct SourceLateness {
    recent: RecentFrames,
    /// By how much frames came late recently. Sinks downstream see the same lateness.
    pub delay: ClockTime,
    /// Many frames come late.
    episode: bool,
}

/// How a frame came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Running time from which the frame's stay is counted: its own, later by as much as frames
    /// came late recently.
    pub stay_from: Option<ClockTime>,
    /// The frame came late.
    pub late: bool,
    /// From now on many frames come late.
    pub begins: bool,
}

impl Arrival {
    /// Returns the arrival of a frame that came in time or has no time.
    pub fn in_time(stay_from: Option<ClockTime>) -> Self {
        Self {
            stay_from,
            ..Self::default()
        }
    }
}

impl SourceLateness {
    /// Notes that the frame of running time `time` came late by `delay`; up to `tolerance` that
    /// does not count. A frame waits for later ones, and frames may come in bunches, so the whole
    /// stream counts as late as its latest frames.
    pub fn note_arrival(
        &mut self,
        time: ClockTime,
        delay: ClockTime,
        tolerance: ClockTime,
    ) -> Arrival {
        let significant = |delay: ClockTime| match delay > tolerance {
            true => delay,
            false => ClockTime::ZERO,
        };
        let delay = significant(delay);
        let begins = self.note(delay);
        Arrival {
            stay_from: Some(time.saturating_add(significant(self.delay))),
            late: delay > ClockTime::ZERO,
            begins,
        }
    }

    /// Notes the delay of a frame and returns whether many frames come late from now on.
    fn note(&mut self, delay: ClockTime) -> bool {
        self.delay = delay.max(self.delay - self.delay / FORGOTTEN);
        let late = self.recent.push(delay > ClockTime::ZERO);
        let many = late >= MANY;
        let begins = many && !self.episode;
        self.episode = many || (self.episode && late > 0);
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u64 = 40;

    fn ms(milliseconds: u64) -> Option<ClockTime> {
        Some(ClockTime::from_mseconds(milliseconds))
    }

    /// A live source without latency, and the frames that came late.
    #[derive(Default)]
    struct Source {
        lateness: SourceLateness,
        late: u64,
    }

    impl Source {
        /// Notes that a frame of running time `time` came at `now`.
        fn note_arrival(&mut self, time: Option<ClockTime>, now: Option<ClockTime>) -> Arrival {
            let (time, now) = (time.unwrap(), now.unwrap());
            let tolerance = ClockTime::from_mseconds(FRAME) / 4;
            let delay = now.saturating_sub(time);
            let arrival = self.lateness.note_arrival(time, delay, tolerance);
            self.late += u64::from(arrival.late);
            arrival
        }
    }

    #[test]
    fn a_frame_in_time_stay_from_its_own_time() {
        let mut source = Source::default();
        for i in 0..200 {
            let arrival = source.note_arrival(ms(FRAME * i), ms(FRAME * i + 8));
            assert_eq!(arrival.stay_from, ms(FRAME * i));
            assert!(!arrival.begins);
        }
        assert_eq!(source.late, 0);
    }

    #[test]
    fn a_late_frame_stay_from_its_coming() {
        let mut source = Source::default();
        let begins: Vec<_> = (0..100)
            .map(|i| {
                let arrival = source.note_arrival(ms(FRAME * i), ms(FRAME * i + 2000));
                assert_eq!(arrival.stay_from, ms(FRAME * i + 2000));
                arrival.begins
            })
            .collect();
        assert_eq!(
            begins.iter().position(|&begins| begins),
            Some(MANY as usize - 1)
        );
        assert_eq!(begins.iter().filter(|&&begins| begins).count(), 1);
        assert_eq!(source.late, 100);
        assert_eq!(source.lateness.delay, ClockTime::from_seconds(2));
    }

    #[test]
    fn a_single_late_frame_is_worth_no_warning() {
        let mut source = Source::default();
        for i in 0..300 {
            let late = if i % 60 == 30 { 500 } else { 0 };
            let arrival = source.note_arrival(ms(FRAME * i), ms(FRAME * i + late));
            assert!(!arrival.begins);
        }
        assert_eq!(source.late, 5);
    }

    #[test]
    fn frames_that_come_in_a_bunch_are_counted_one_after_the_other() {
        let mut source = Source::default();
        for i in 0..20 {
            let arrival = source.note_arrival(ms(FRAME * i), ms(1000));
            let from = arrival.stay_from.unwrap();
            let evenly = ClockTime::from_mseconds(1000 + FRAME * i);
            assert!(
                from <= evenly && from + ClockTime::from_mseconds(280) > evenly,
                "{from}"
            );
        }
    }

    #[test]
    fn lateness_is_forgotten() {
        let mut source = Source::default();
        source.note_arrival(ms(0), ms(1000));
        let last = (1..400).map(|i| source.note_arrival(ms(FRAME * i), ms(FRAME * i)));
        assert_eq!(last.last().unwrap().stay_from, ms(FRAME * 399));
    }
}
