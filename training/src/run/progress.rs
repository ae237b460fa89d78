//! How far a run is, and who is told.

use std::{
    collections::VecDeque,
    fs,
    time::{Duration, Instant},
};

use super::Losses;

/// Time over which the speed is measured.
const WINDOW: Duration = Duration::from_secs(30);

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Number of finished steps.
    pub step: u64,
    /// Number of steps at the end.
    pub steps: u64,
    /// Means of the losses since the last line of the log.
    pub losses: Losses,
    /// Speed over the last half minute.
    pub steps_per_second: f64,
    /// Share of the time, 0 to 1, that was spent waiting for samples over the last half minute.
    pub waited: f64,
    /// Bytes of memory of the process, if the system tells.
    pub host_memory: Option<u64>,
    /// Number of steps that were skipped since the process began.
    pub skipped: u64,
}

impl Progress {
    /// Returns the time that the other steps will take at the present speed; `None` where that is not
    /// known yet.
    pub fn left(&self) -> Option<Duration> {
        let steps = self.steps.saturating_sub(self.step) as f64;
        Duration::try_from_secs_f64(steps / self.steps_per_second).ok()
    }
}

/// What an observer is told.
#[derive(Clone, Debug)]
pub enum Report<'a> {
    /// Videos of the data set are read.
    Reading {
        /// Number of videos that are read.
        done: usize,
        /// Number of all videos.
        total: usize,
    },
    /// A step was finished.
    Step(&'a Progress),
    /// A line was added to the log.
    Logged(&'a Progress),
    /// The clips kept apart were filled.
    Validation {
        /// Number of finished steps.
        step: u64,
        /// The means over the clips.
        measures: &'a [(String, f64)],
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Number of finished steps.
        step: u64,
    },
    /// A remark.
    Notice(&'a str),
}

/// Watches a run.
pub trait Observer {
    /// Takes a report.
    fn report(&mut self, report: &Report<'_>);
}

/// Measures the speed of the last half minute.
#[derive(Debug)]
pub(super) struct Meter {
    /// When how many steps were done and how long was waited until then, the oldest first.
    seen: VecDeque<(Instant, u64, Duration)>,
    waited: Duration,
}

impl Meter {
    pub fn start(step: u64) -> Self {
        Self {
            seen: VecDeque::from([(Instant::now(), step, Duration::ZERO)]),
            waited: Duration::ZERO,
        }
    }

    /// Notes that `step` steps are done `now`, and how long the last one waited. Returns the steps per
    /// second and the share of the time that was waited.
    pub fn at(&mut self, now: Instant, step: u64, waited: Duration) -> (f64, f64) {
        self.waited += waited;
        self.seen.push_back((now, step, self.waited));
        while self
            .seen
            .get(1)
            .is_some_and(|(time, ..)| now - *time >= WINDOW)
        {
            self.seen.pop_front();
        }
        let (time, before, waited) = self
            .seen
            .front()
            .copied()
            .unwrap_or((now, step, self.waited));
        let seconds = (now - time).as_secs_f64().max(1e-9);
        let share = (self.waited - waited).as_secs_f64() / seconds;
        ((step - before) as f64 / seconds, share.min(1.0))
    }
}

/// Returns the bytes of memory that are resident; `None` where the system does not report it (other
/// than Linux).
pub(super) fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_that_of_the_last_half_minute() {
        let mut meter = Meter::start(100);
        let start = meter.seen[0].0;
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(meter.at(at(10), 150, Duration::from_secs(5)), (5.0, 0.5));
        for second in 11..=50 {
            meter.at(at(second), 140 + second, Duration::ZERO);
        }
        assert_eq!(meter.at(at(51), 191, Duration::ZERO), (1.0, 0.0));
        let progress = Progress {
            step: 10,
            steps: 40,
            steps_per_second: 2.0,
            ..Progress::default()
        };
        assert_eq!(progress.left(), Some(Duration::from_secs(15)));
        assert_eq!(Progress::default().left(), None);
    }
}
