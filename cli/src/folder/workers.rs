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
    run::{Observer, Options, Outcome, Progress},
};

use super::{
    job::{Common, Job, JobError},
    table::{Fate, Row},
};

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
) -> io::Result<()> {
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
                    let row = row(&job, job.run(common, at_once as u64, &mut watch));
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
    result
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
