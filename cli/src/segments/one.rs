//! `propainter run JOB --segment N`: one segment of a job.

use std::path::Path;

use serde_json::json;

use super::{
    JobError,
    manifest::{MANIFEST, Manifest, segment_file},
    plan::checkpoints,
    record::{Record, State, state},
};
use crate::{
    Console,
    output::Existing,
    recode::{Part, RecodeError, SEEK_FAILED},
    run::{
        Bar, ClipJob, ElementSettings, FrameOptions, JsonLines, Observer, Options, Outcome, Quiet,
        RunError, run_clip,
    },
};

/// The variables in which batch systems tell an array's task its number, the first one that is set.
pub const VARIABLES: [&str; 3] = [
    "JOB_COMPLETION_INDEX",
    "AWS_BATCH_JOB_ARRAY_INDEX",
    "SLURM_ARRAY_TASK_ID",
];

/// Returns the number of the segment to process: `asked`, or that of a batch system, plus `offset`;
/// `None` where neither is there.
///
/// # Errors
/// A variable holds no number, or the sum is below 0.
pub fn number(
    asked: Option<u32>,
    offset: i64,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<usize>, JobError> {
    let mut number = asked.map(i64::from);
    for name in VARIABLES {
        let Some(value) = variable(name).filter(|_| number.is_none()) else {
            continue;
        };
        let parsed = value.trim().parse::<u32>();
        number = Some(i64::from(
            parsed.map_err(|_| JobError::Variable { name, value })?,
        ));
    }
    let Some(number) = number else {
        return Ok(None);
    };
    let sum = number.saturating_add(offset);
    let sum = usize::try_from(sum).map_err(|_| JobError::Offset { number, offset })?;
    Ok(Some(sum))
}

/// Runs `propainter run` for a job: a segment, or all that are left.
///
/// # Errors
/// As [`run_segment`]; options are set that the job has itself.
pub fn run(options: &Options, console: &mut Console<'_>) -> Result<(), JobError> {
    let job = &options.input;
    if options.output.is_some() || !options.subject.is_empty() {
        return Err(JobError::OwnSettings(job.clone()));
    }
    let variable = |name: &str| std::env::var(name).ok();
    let number = number(options.segment, options.segment_offset, variable)?;
    let numbers = match number {
        Some(number) => number..number + 1,
        None => 0..Manifest::read(job)?.segments.len(),
    };
    let budgets = ElementSettings::default();
    for number in numbers {
        let done = if options.json {
            run_segment(job, number, &budgets, &mut JsonLines(&mut *console.out))?
        } else if options.quiet {
            run_segment(job, number, &budgets, &mut Quiet)?
        } else {
            run_segment(job, number, &budgets, &mut Bar::new("run", console.errors))?
        };
        let line = match &done {
            Done::Before => format!("segment {number} is complete already"),
            Done::Now(outcome) => format!(
                "segment {number}: {} frames in {:.1} s",
                outcome.frames,
                outcome.duration.as_secs_f64()
            ),
        };
        if options.json {
            let frames = match &done {
                Done::Before => 0,
                Done::Now(outcome) => outcome.frames,
            };
            let line = json!({ "type": "done", "segment": number, "frames": frames });
            JsonLines(&mut *console.out).line(&line);
        } else if !options.quiet {
            console.say(&line).map_err(JobError::Console)?;
        }
    }
    Ok(())
}

/// What became of a segment.
#[derive(Debug)]
pub enum Done {
    /// It was there already.
    Before,
    Now(Box<Outcome>),
}

/// Processes a segment of a job, unless it is complete already. Its file and its record appear once
/// they are complete. `budgets` of memory replace those of the job: the frames of a segment do not
/// depend on them.
///
/// # Errors
/// There is no such segment, an input has changed or cannot be read, or an element fails.
pub fn run_segment(
    job: &Path,
    number: usize,
    budgets: &ElementSettings,
    observer: &mut dyn Observer,
) -> Result<Done, JobError> {
    gst::init().map_err(RunError::from)?;
    let manifest = Manifest::read(job)?;
    let Some(part) = manifest.part(number)? else {
        return Err(JobError::NoSegment {
            file: job.join(MANIFEST),
            number,
            count: manifest.segments.len(),
        });
    };
    let id = manifest.id();
    if let State::Done(_) = state(job, &id, number)? {
        return Ok(Done::Before);
    }
    manifest.check_files()?;
    check_weights(&manifest)?;
    let frames = part.segment.keep.len();
    let file = segment_file(job, number);
    std::fs::create_dir_all(job.join("segments")).map_err(|source| JobError::Write {
        file: file.clone(),
        source,
    })?;
    let mut settings = manifest.element_settings()?;
    settings.take(budgets);
    let clip = ClipJob {
        input: manifest.input.path.clone(),
        mask: manifest.mask.source(),
        output: file,
        settings,
        encoding: manifest.encoding(),
        existing: Existing::Replace,
        frames: FrameOptions::default(),
        part: Some(part.clone()),
    };
    let outcome = match run_clip(&clip, observer) {
        Err(RunError::Recode(RecodeError::Stream { message, .. }))
            if message.contains(SEEK_FAILED) =>
        {
            observer
                .notice("the clip is decoded from its beginning, as seeking in it is not exact");
            let from_start = ClipJob {
                part: Some(Part { key: None, ..part }),
                ..clip
            };
            run_clip(&from_start, observer)?
        }
        result => result?,
    };
    if outcome.frames != frames as u64 {
        return Err(JobError::Frames {
            number,
            expected: frames,
            got: outcome.frames,
        });
    }
    Record::new(job, id, number, frames, &outcome)?.write(job)?;
    Ok(Done::Now(Box::new(outcome)))
}

/// Checks that the networks have the weights that the job was planned with.
fn check_weights(manifest: &Manifest) -> Result<(), JobError> {
    if manifest.weights.is_empty() {
        return Ok(());
    }
    let config = propainter::Config {
        model: propainter::Model::Propainter,
        weights: manifest.settings.get("weights").map(Into::into),
        ..propainter::Config::new(8, 8)
    };
    for (planned, found) in manifest.weights.iter().zip(checkpoints(&config)?) {
        if planned.hash != found.hash {
            return Err(JobError::Weights(found.path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_comes_from_the_option_or_from_the_batch_system() {
        let of = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| value.to_owned())
        };
        let none = |_: &str| None;
        assert_eq!(
            number(Some(3), 0, of("SLURM_ARRAY_TASK_ID", "9")).unwrap(),
            Some(3)
        );
        assert_eq!(number(None, 0, none).unwrap(), None);
        for name in VARIABLES {
            assert_eq!(number(None, 0, of(name, "7")).unwrap(), Some(7));
            assert_eq!(number(None, -1, of(name, "1")).unwrap(), Some(0));
            let wrong = number(None, 0, of(name, "x")).unwrap_err().to_string();
            assert!(wrong.contains(name), "{wrong}");
            assert!(number(None, -1, of(name, "0")).is_err());
        }
    }
}
