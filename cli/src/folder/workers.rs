//! Several clips at once, within one budget of memory.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Sender},
    },
    thread,
};

use indicatif::ProgressBar;

use crate::{
    progress,
    run::{
        ElementSettings, Observer, Options, Outcome, Progress, RunError, settings::SettingsError,
    },
};

use super::{
    FolderError,
    job::{Common, Job, JobError},
    table::{Fate, Row},
};

/// The budgets of memory, which clips that run at once divide among them.
const BUDGETS: [&str; 2] = ["vram-budget", "host-budget"];

/// What happens to a clip.
#[derive(Debug)]
pub enum Event {
    /// A remark about it.
    Notice { clip: String, text: String },
    /// The clip of this number has ended.
    Ended(usize, Row),
}

/// Makes the clips, in order, as many at once as the options say, and passes on what happens.
///
/// # Errors
/// Those of `tell`; no further clip is begun then.
pub fn run(
    jobs: Vec<(usize, Job)>,
    common: &Common,
    options: &Options,
    mut tell: impl FnMut(Event) -> io::Result<()>,
) -> Result<(), FolderError> {
    let at_once = usize::from(options.jobs).min(jobs.len());
    let bar = match options.quiet || options.json {
        true => ProgressBar::hidden(),
        false => progress::clips(jobs.len() as u64),
    };
    let queue = Mutex::new(VecDeque::from(jobs));
    let next = || {
        queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    let (sender, events) = mpsc::channel();
    let result = thread::scope(|scope| {
        for _ in 0..at_once {
            let (sender, bar) = (sender.clone(), bar.clone());
            scope.spawn(move || {
                while let Some((number, job)) = next() {
                    let mut watch = Watch {
                        clip: &job.name,
                        bar: &bar,
                        events: &sender,
                    };
                    let settings = divided(&job.settings, at_once as u64).map_err(RunError::from);
                    let result = settings
                        .map_err(JobError::from)
                        .and_then(|settings| job.run(common, &settings, &mut watch));
                    let row = row(&job, result);
                    bar.inc(1);
                    if sender.send(Event::Ended(number, row)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        // Dropped on an error, so that the workers end.
        events
            .into_iter()
            .try_for_each(|event| bar.suspend(|| tell(event)))
    });
    bar.finish_and_clear();
    Ok(result?)
}

/// Returns settings with the budgets of one of several clips that run at once.
///
/// # Errors
/// None that the settings did not have before.
fn divided(settings: &ElementSettings, at_once: u64) -> Result<ElementSettings, SettingsError> {
    let mut divided = settings.clone();
    for name in BUDGETS {
        let budget = settings.get(name).and_then(|text| text.parse::<u64>().ok());
        // 0 stands for the memory that is free, of which each reserves what it needs.
        if let Some(budget) = budget.filter(|&budget| budget > 0 && at_once > 1) {
            divided.set(name, &(budget / at_once).max(1).to_string())?;
        }
    }
    Ok(divided)
}

/// Returns the line of a clip that has ended.
fn row(job: &Job, result: Result<Outcome, JobError>) -> Row {
    match result {
        Err(error) => Row::of(&job.name, Fate::Failed(error.to_string())),
        Ok(outcome) => Row {
            frames: Some(outcome.frames),
            seconds: Some(outcome.duration.as_secs_f64()),
            downgrades: outcome.downgrades,
            ..Row::of(&job.name, Fate::Made)
        },
    }
}

/// Shows the progress of a clip in the bar of all.
struct Watch<'a> {
    clip: &'a str,
    bar: &'a ProgressBar,
    events: &'a Sender<Event>,
}

impl Observer for Watch<'_> {
    fn progress(&mut self, progress: &Progress) {
        let total = progress
            .total
            .map_or(String::new(), |total| format!(" of {total}"));
        self.bar
            .set_message(format!("{}: {}{total} frames", self.clip, progress.frames));
    }

    fn notice(&mut self, text: &str) {
        let (clip, text) = (self.clip.to_owned(), text.to_owned());
        // Nobody listens once the output cannot be written.
        let _ = self.events.send(Event::Notice { clip, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_at_once_divide_the_budget() {
        let mut settings = ElementSettings::default();
        settings.set("vram-budget", "4000000001").unwrap();
        let of = |at_once| {
            let divided = divided(&settings, at_once).unwrap();
            BUDGETS.map(|name| divided.get(name).map(str::to_owned))
        };
        assert_eq!(of(1), [Some("4000000001".to_owned()), None]);
        // Together they never have more than what was set.
        assert_eq!(of(4), [Some("1000000000".to_owned()), None]);
        settings.set("vram-budget", "0").unwrap();
        settings.set("host-budget", "2").unwrap();
        let divided = divided(&settings, 2).unwrap();
        assert_eq!(
            (divided.get("vram-budget"), divided.get("host-budget")),
            (Some("0"), Some("1"))
        );
    }
}
