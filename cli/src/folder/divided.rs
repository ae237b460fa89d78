//! A long clip in segments, which are complete one by one: the same job that `propainter plan` writes
//! for many machines.

use std::path::Path;

use crate::{
    output::Existing,
    run::{ElementSettings, Observer, Outcome, Progress},
    segments::{self, Done, JobError, MANIFEST, Manifest, PlanJob},
};

/// Makes a clip in `folder` and writes it to `complete`. A plan that is there is used, and so is each
/// segment that is complete. The `budgets` of memory are those of now: they change no segment.
///
/// # Errors
/// See [`JobError`].
pub fn run(
    folder: &Path,
    plan: &PlanJob,
    budgets: &ElementSettings,
    complete: &Path,
    observer: &mut dyn Observer,
) -> Result<Outcome, JobError> {
    let manifest = match folder.join(MANIFEST).exists() {
        true => Manifest::read(folder)?,
        false => {
            let manifest = segments::plan(plan, &mut Planning(observer))?;
            manifest.write(folder, Existing::Refuse)?;
            manifest
        }
    };
    let mut all = Outcome::default();
    for (number, segment) in manifest.segments.iter().enumerate() {
        let mut watch = Watch {
            observer,
            before: segment.keep.start as u64,
            total: manifest.frames as u64,
        };
        if let Done::Now(outcome) = segments::run_segment(folder, number, budgets, &mut watch)? {
            all.duration += outcome.duration;
            all.downgrades.extend(outcome.downgrades);
            all.resident_peak = outcome.resident_peak;
        }
    }
    let joined = segments::join(folder, complete, Existing::Replace, observer)?;
    Ok(Outcome {
        frames: joined.frames,
        duration: all.duration + joined.duration,
        notes: joined.notes,
        ..all
    })
}

/// Returns whether an error says that a clip cannot be made in segments, but perhaps as a whole.
pub fn is_indivisible(error: &JobError) -> bool {
    matches!(
        error,
        JobError::Interrupted { .. } | JobError::Frames { .. }
    )
}

/// Passes on the remarks of planning, but not its frames.
struct Planning<'a>(&'a mut dyn Observer);

impl Observer for Planning<'_> {
    fn progress(&mut self, _: &Progress) {}

    fn notice(&mut self, text: &str) {
        self.0.notice(text);
    }
}

/// Passes on the progress of a segment as that of the clip.
struct Watch<'a> {
    observer: &'a mut dyn Observer,
    /// Frames before the segment.
    before: u64,
    /// Frames of the clip.
    total: u64,
}

impl Observer for Watch<'_> {
    fn progress(&mut self, progress: &Progress) {
        self.observer.progress(&Progress {
            frames: self.before + progress.frames,
            total: Some(self.total),
            ..progress.clone()
        });
    }

    fn notice(&mut self, text: &str) {
        self.observer.notice(text);
    }
}
