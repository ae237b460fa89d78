//! The steps of a run, from its latest checkpoint on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use super::{
    Losses, Observer, Progress, Report, RunError, RunFolder, Step, Trainer, curves,
    events::Events,
    folder::Position,
    log::Log,
    measures::{psnr, ssim},
    pictures::side_by_side,
    progress::{Meter, resident},
    write,
};
use crate::data::{Loader, Sample, Sampler};

/// Number of skipped steps in a row after which a run ends.
const SKIPS: u32 = 20;
/// Most clips that a validation fills.
const VALIDATED: usize = 16;

/// After how many steps what happens. 0 stands for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Number of steps of the run.
    pub steps: u64,
    /// Steps between two lines of the log.
    pub log_every: u64,
    /// Steps between two checkpoints, after which the clips kept apart are filled, too.
    pub checkpoint_every: u64,
    /// Steps between two pictures of a sample.
    pub sample_every: u64,
}

/// A run that is about to start.
pub struct Run<'a> {
    /// Its folder.
    pub folder: &'a RunFolder,
    /// What is trained.
    pub trainer: &'a mut dyn Trainer,
    /// The samples that it is trained on.
    pub sampler: Arc<Sampler>,
    /// The clips that are kept apart.
    pub validation: Option<&'a Sampler>,
    /// Number of threads that load samples.
    pub threads: usize,
    /// When what happens.
    pub schedule: Schedule,
    /// Who is told.
    pub observer: &'a mut dyn Observer,
    /// When set, the run ends after the step that it is at.
    pub stop: &'a AtomicBool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All steps are done.
    Finished,
    /// It was asked to stop.
    Stopped,
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// How it ended.
    pub ended: Ended,
    /// How far it is.
    pub progress: Progress,
}

impl Run<'_> {
    /// Goes on from the latest checkpoint, if there is one, to the last step. The last checkpoint is
    /// that of the last step.
    ///
    /// # Errors
    /// As [`RunError`] says. The latest checkpoint is whole, and the run can go on from it.
    pub fn go(self) -> Result<Summary, RunError> {
        let latest = self.folder.latest()?;
        let start = latest.unwrap_or_default();
        if latest.is_some() {
            let loaded = self.trainer.load(&self.folder.checkpoints(), start.step);
            loaded.map_err(RunError::Training)?;
        }
        let batch = self.sampler.settings().batch as u64;
        let loader = Loader::start(self.sampler.clone(), start.batches * batch, self.threads);
        let going = Going {
            log: Log::open(&self.folder.log(), start.step)?,
            events: Events::create(self.folder.path(), start.step)?,
            meter: Meter::start(start.step),
            position: start,
            saved: latest.map(|latest| latest.step),
            sums: Sums::default(),
            progress: Progress {
                step: start.step,
                steps: self.schedule.steps,
                ..Progress::default()
            },
            loader,
            run: self,
        };
        going.go()
    }
}

/// A run at work.
struct Going<'a> {
    run: Run<'a>,
    loader: Loader,
    log: Log,
    events: Events,
    meter: Meter,
    position: Position,
    /// Step of the latest checkpoint.
    saved: Option<u64>,
    sums: Sums,
    progress: Progress,
}

impl Going<'_> {
    fn go(mut self) -> Result<Summary, RunError> {
        let schedule = self.run.schedule;
        let due = |every: u64, step: u64| every > 0 && step.is_multiple_of(every);
        let mut skips = 0;
        let mut ended = Ended::Finished;
        while self.position.step < schedule.steps {
            if self.run.stop.load(Ordering::Relaxed) {
                ended = Ended::Stopped;
                break;
            }
            let batch = self.loader.next_batch()?;
            let step = self.run.trainer.step(&batch.samples);
            for notice in self.run.trainer.notices() {
                self.notice(&notice);
            }
            let step = step.map_err(RunError::Training)?;
            self.position.batches += 1;
            for problem in self.loader.sampler().new_problems() {
                self.notice(&problem);
            }
            match step {
                Step::Done(losses) => {
                    skips = 0;
                    self.done(losses, batch.waited);
                }
                Step::Skipped(reason) => {
                    skips += 1;
                    self.skipped(&reason)?;
                    if skips == SKIPS {
                        return Err(RunError::Skipped {
                            count: skips,
                            reason,
                        });
                    }
                    continue;
                }
            }
            let step = self.position.step;
            let save = due(schedule.checkpoint_every, step) || step == schedule.steps;
            if due(schedule.log_every, step) || save {
                self.add_line()?;
            }
            if due(schedule.sample_every, step) {
                self.show(&batch.samples[0])?;
            }
            if save {
                // First, so that a checkpoint has its line in the log.
                self.validate()?;
                self.save()?;
            }
        }
        if self.saved != Some(self.position.step) {
            self.add_line()?;
            self.save()?;
        }
        let progress = self.progress;
        Ok(Summary { ended, progress })
    }

    fn notice(&mut self, text: &str) {
        self.run.observer.report(&Report::Notice(text));
    }

    fn done(&mut self, losses: Losses, waited: Duration) {
        self.position.step += 1;
        self.sums.add(&losses);
        let step = self.position.step;
        let (steps_per_second, share) = self.meter.at(Instant::now(), step, waited);
        self.progress = Progress {
            step,
            losses: self.sums.means(),
            steps_per_second,
            waited: share,
            host_memory: resident(),
            ..self.progress
        };
        self.run.observer.report(&Report::Step(&self.progress));
    }

    fn skipped(&mut self, reason: &str) -> Result<(), RunError> {
        self.progress.skipped += 1;
        let Position { step, batches } = self.position;
        self.notice(&format!("step {} was skipped: {reason}", step + 1));
        self.log
            .add(&json!({ "step": step, "batch": batches, "skipped": reason }))
    }

    /// Adds the means since the last line to the log.
    fn add_line(&mut self) -> Result<(), RunError> {
        let losses = self.sums.take();
        if losses.is_empty() {
            return Ok(());
        }
        let Progress {
            step,
            steps_per_second,
            waited,
            ..
        } = self.progress;
        self.log.add(&json!({
            "step": step,
            "losses": object(losses.iter().map(|(name, value)| (*name, *value))),
            "time": {
                "steps_per_second": steps_per_second,
                "waited": waited,
                "host_memory": self.progress.host_memory,
            },
        }))?;
        let losses = losses
            .iter()
            .map(|(name, value)| (format!("losses/{name}"), *value));
        let mut numbers: Vec<_> = losses.collect();
        numbers.push(("time/steps_per_second".to_owned(), steps_per_second));
        numbers.push(("time/waited".to_owned(), waited));
        self.events.numbers(step, &numbers)?;
        self.run.observer.report(&Report::Logged(&self.progress));
        Ok(())
    }

    fn save(&mut self) -> Result<(), RunError> {
        let folder = self.run.folder;
        let step = self.position.step;
        // A checkpoint that is the latest one has everything.
        folder.write_position(self.position)?;
        let saved = self.run.trainer.save(&folder.checkpoints(), step);
        saved.map_err(RunError::Training)?;
        self.saved = Some(step);
        self.run.observer.report(&Report::Checkpoint { step });
        curves::write(&folder.log(), &folder.curves())
    }

    /// Fills a sample and shows it: one that is kept apart, if there is any.
    fn show(&mut self, trained: &Sample) -> Result<(), RunError> {
        let apart = self
            .run
            .validation
            .map(|apart| apart.validation(0))
            .transpose()?;
        let sample = apart.as_ref().unwrap_or(trained);
        let evaluation = self
            .run
            .trainer
            .evaluate(sample)
            .map_err(RunError::Training)?;
        if evaluation.filled.is_empty() {
            return Ok(());
        }
        let picture = side_by_side(sample, &evaluation.filled);
        let step = self.position.step;
        let file = self
            .run
            .folder
            .samples()
            .join(format!("step_{step:06}.png"));
        let png = picture
            .png()
            .map_err(std::io::Error::other)
            .map_err(RunError::write(&file))?;
        write(&file, &png)?;
        let size = (picture.width as u32, picture.height as u32);
        self.events
            .picture(step, "masked, filled, true", size, &png)
    }

    /// Fills the clips that are kept apart.
    fn validate(&mut self) -> Result<(), RunError> {
        let Some(apart) = self.run.validation else {
            return Ok(());
        };
        let mut sums = Sums::default();
        for number in 0..apart.clips().min(VALIDATED) {
            let sample = match apart.validation(number) {
                Ok(sample) => sample,
                Err(error) => {
                    self.notice(&format!("not validated: {error}"));
                    continue;
                }
            };
            let evaluation = self
                .run
                .trainer
                .evaluate(&sample)
                .map_err(RunError::Training)?;
            let (filled, truth) = (&evaluation.filled, &sample.frames[..sample.local]);
            let mut measures = Vec::new();
            if !filled.is_empty() {
                measures.push(("psnr", psnr(filled, truth, None)));
                measures.push(("psnr_hole", psnr(filled, truth, Some(&sample.holes))));
                measures.extend(ssim(filled, truth).map(|ssim| ("ssim", ssim)));
            }
            measures.extend(evaluation.measures);
            sums.add(&measures);
        }
        let step = self.position.step;
        let means: Vec<_> = sums
            .take()
            .into_iter()
            .map(|(n, v)| (n.to_owned(), v))
            .collect();
        if means.is_empty() {
            return Ok(());
        }
        let measures = object(means.iter().map(|(name, value)| (name.as_str(), *value)));
        self.log
            .add(&json!({ "step": step, "validation": measures }))?;
        let tags: Vec<_> = means
            .iter()
            .map(|(n, v)| (format!("validation/{n}"), *v))
            .collect();
        self.events.numbers(step, &tags)?;
        self.run.observer.report(&Report::Validation {
            step,
            measures: &means,
        });
        Ok(())
    }
}

fn object<'a>(values: impl Iterator<Item = (&'a str, f64)>) -> Value {
    Value::Object(
        values
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect::<Map<_, _>>(),
    )
}

/// Sums of losses, for their means.
#[derive(Debug, Default)]
struct Sums {
    sums: Losses,
    count: u64,
}

impl Sums {
    fn add(&mut self, losses: &Losses) {
        for (name, value) in losses {
            match self.sums.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += value,
                None => self.sums.push((name, *value)),
            }
        }
        self.count += 1;
    }

    fn means(&self) -> Losses {
        self.sums
            .iter()
            .map(|(name, sum)| (*name, sum / self.count as f64))
            .collect()
    }

    fn take(&mut self) -> Losses {
        let means = self.means();
        *self = Self::default();
        means
    }
}
