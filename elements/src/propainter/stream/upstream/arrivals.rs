//! The pace at which frames or masks come in, by the wall clock.

use std::time::{Duration, Instant};

/// The shortest silence that may be a stall.
const SHORTEST: Duration = Duration::from_secs(1);
/// The same while too few buffers have come to know the pace.
const UNKNOWN: Duration = Duration::from_secs(4);
/// Number of buffers after which the pace is known.
const KNOWN: u32 = 4;
/// The longest silence that is waited for.
const LONGEST: Duration = Duration::from_secs(60);
/// A source may take this many times as long as it ever took.
const SLACK: u32 = 3;

/// The pace at which upstream delivers. The time that it has to wait in this element does not count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrivals {
    /// When upstream was last free to deliver; `None` while it waits in here, and after a pause or a
    /// flush.
    released: Option<Instant>,
    count: u32,
    slowest: Duration,
}

impl Arrivals {
    /// Notes that a buffer comes in.
    pub fn begin(&mut self, now: Instant) {
        self.count = self.count.saturating_add(1);
        if let Some(released) = self.released.take() {
            self.slowest = self.slowest.max(now.saturating_duration_since(released));
        }
    }

    /// Notes that upstream may deliver the next buffer.
    pub fn end(&mut self, now: Instant) {
        self.released = Some(now);
    }

    /// Ignores the time up to the next buffer, which does not tell how fast upstream is.
    pub fn interrupt(&mut self) {
        self.released = None;
    }

    /// Returns how long upstream may be silent before something is wrong, if a buffer lasts
    /// `duration`.
    pub fn patience(&self, duration: Duration) -> Duration {
        let least = match self.count < KNOWN {
            true => UNKNOWN,
            false => SHORTEST,
        };
        let usual = self.slowest.max(duration).min(LONGEST);
        (SLACK * usual).clamp(least, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(40);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Returns the patience after buffers with these silences before them.
    fn patience(silences: &[f64]) -> Duration {
        let (mut arrivals, mut now) = (Arrivals::default(), Instant::now());
        for &silence in silences {
            now += seconds(silence);
            arrivals.begin(now);
            // Waiting in here is not upstream's time.
            now += seconds(100.0);
            arrivals.end(now);
        }
        arrivals.patience(FRAME)
    }

    #[test]
    fn a_fast_source_may_be_silent_for_a_second() {
        assert_eq!(patience(&[0.04; 10]), SHORTEST);
    }

    #[test]
    fn a_slow_source_may_be_silent_for_longer() {
        assert_eq!(patience(&[0.0, 0.04, 0.04, 1.5, 0.04]), seconds(4.5));
        let slow = Arrivals::default();
        assert_eq!(slow.patience(seconds(5.0)), seconds(15.0));
        assert_eq!(slow.patience(seconds(3600.0)), LONGEST);
    }

    #[test]
    fn a_source_of_unknown_pace_is_given_time() {
        assert_eq!(patience(&[0.0]), UNKNOWN);
        assert_eq!(patience(&[0.0, 0.01, 0.01]), UNKNOWN);
    }

    #[test]
    fn a_pause_does_not_count_as_slowness() {
        let (mut arrivals, now) = (Arrivals::default(), Instant::now());
        for i in 0..5 {
            arrivals.interrupt();
            arrivals.begin(now + seconds(1000.0) * i);
            arrivals.end(now + seconds(1000.0) * i);
        }
        assert_eq!(arrivals.patience(FRAME), SHORTEST);
    }
}
