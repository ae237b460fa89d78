//! `propainter join`: puts the segments of a job together.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use gst::{ClockTime, prelude::*};

use super::{
    JobError,
    manifest::{MANIFEST, Manifest, segment_file},
    record::{State, state},
};
use crate::{
    Console,
    output::Existing,
    recode::{Job, Parts, Recode},
    run::{Bar, Observer, Outcome, Quiet, RunError, play, space},
};

/// Puts the segments of a job together, with sound, subtitles, chapters and tags of the clip
///
/// The frames are copied as they are. All segments must be complete.
#[derive(Debug, Args)]
pub struct Options {
    /// Folder of the job
    #[arg(value_name = "JOB")]
    pub job: PathBuf,
    /// Video to write, with the extension that the job was planned for
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Replace the output where it exists
    #[arg(long)]
    pub force: bool,
    /// Show no progress and no report, only errors
    #[arg(long)]
    pub quiet: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// A segment is missing or is not of this job, the clip has changed, or the output cannot be
/// written.
pub fn run(options: &Options, console: &mut Console<'_>) -> Result<(), JobError> {
    let existing = Existing::with_force(options.force);
    let (job, output) = (&options.job, &options.output);
    let outcome = match options.quiet {
        true => join(job, output, existing, &mut Quiet)?,
        false => join(job, output, existing, &mut Bar::new("join", console.errors))?,
    };
    if !options.quiet {
        let verb = if outcome.replaced {
            "replaced"
        } else {
            "wrote"
        };
        let line = format!("{verb} {}: {} frames", output.display(), outcome.frames);
        console.say(&line).map_err(JobError::Console)?;
    }
    Ok(())
}

/// Joins the segments of a job into a file.
///
/// # Errors
/// As [`run`].
pub fn join(
    job: &Path,
    output: &Path,
    existing: Existing,
    observer: &mut dyn Observer,
) -> Result<Outcome, JobError> {
    gst::init().map_err(RunError::from)?;
    let manifest = Manifest::read(job)?;
    let extension = output.extension().unwrap_or_default().to_string_lossy();
    if !extension.eq_ignore_ascii_case(&manifest.container) {
        return Err(JobError::Extension {
            output: output.to_owned(),
            container: manifest.container.clone(),
        });
    }
    check_folder(job, manifest.segments.len())?;
    check_segments(job, &manifest)?;
    manifest.check_files()?;
    let files = manifest.segments.iter().enumerate();
    let files = files.map(|(number, entry)| (segment_file(job, number), entry.keep.len()));
    let (times, frames) = (manifest.times.clone(), manifest.frames as u64);
    let side = |name: &str| -> u32 {
        let border = manifest.settings.get(&format!("expand-{name}"));
        border
            .and_then(|border| border.parse().ok())
            .unwrap_or_default()
    };
    let parts = Parts {
        added: (side("left") + side("right"), side("top") + side("bottom")),
        files: files.collect(),
        time: Box::new(move |frame| times.at(frame).map(ClockTime::from_nseconds)),
    };
    let files = Job {
        video: manifest.input.path.clone(),
        output: output.to_owned(),
        inputs: (0..manifest.segments.len())
            .map(|number| segment_file(job, number))
            .collect(),
        existing,
        encoding: manifest.encoding(),
    };
    let recode = Recode::joined(&files, parts).map_err(RunError::from)?;
    space::check(output, recode.least_bytes).map_err(RunError::from)?;
    for note in &recode.notes {
        observer.notice(note);
    }
    let mut sinks = recode.pipeline.iterate_sinks().into_iter().flatten();
    // The one that writes the file; it tells the progress by a property of this name, too.
    let sink = sinks.find(|sink| sink.find_property("stats").is_some());
    let sink = sink.ok_or_else(|| RunError::from(gst::glib::bool_error!("there is no sink")))?;
    let mut outcome = play(&recode.pipeline, &sink, observer).map_err(RunError::from)?;
    outcome.frames = frames;
    outcome.replaced = recode.replaces();
    outcome.notes.splice(0..0, recode.notes.iter().cloned());
    recode.finish().map_err(RunError::from)?;
    Ok(outcome)
}

/// Checks that the folder of the segments holds no others.
fn check_folder(job: &Path, count: usize) -> Result<(), JobError> {
    let folder = job.join("segments");
    let read = |source: io::Error| JobError::Read {
        file: folder.clone(),
        source,
    };
    let mut seen = Vec::new();
    for entry in fs::read_dir(&folder).map_err(read)? {
        let file = entry.map_err(read)?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let Some(stem) = name
            .strip_suffix(".mkv")
            .filter(|name| !name.starts_with('.'))
        else {
            continue;
        };
        let number = stem.parse::<usize>().ok().filter(|&number| number < count);
        let Some(number) = number else {
            return Err(JobError::Foreign { file, count });
        };
        seen.push((number, file));
    }
    seen.sort();
    match seen.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(JobError::Doubled {
            number: pair[0].0,
            files: [pair[0].1.clone(), pair[1].1.clone()],
        }),
        None => Ok(()),
    }
}

/// Checks that every segment is complete and of this job.
fn check_segments(job: &Path, manifest: &Manifest) -> Result<(), JobError> {
    let id = manifest.id();
    let mut missing = Vec::new();
    let mut models = Vec::new();
    for (number, entry) in manifest.segments.iter().enumerate() {
        let unusable = |problem: String| JobError::Unusable {
            file: segment_file(job, number),
            number,
            problem,
        };
        match state(job, &id, number)? {
            State::Done(record) if record.frames != entry.keep.len() => {
                let problem = format!(
                    "it holds {} frames in place of {}",
                    record.frames,
                    entry.keep.len()
                );
                return Err(unusable(problem));
            }
            State::Done(record) => models.push((number, record.model)),
            State::Missing => missing.push(number),
            State::Unusable(problem) => return Err(unusable(problem)),
        }
    }
    if !missing.is_empty() {
        return Err(JobError::Missing {
            file: job.join(MANIFEST),
            numbers: missing,
        });
    }
    match models.iter().find(|(_, model)| *model != models[0].1) {
        Some((number, model)) => Err(JobError::Unusable {
            file: segment_file(job, *number),
            number: *number,
            problem: format!(
                "it was made with model={model}, segment 0 with model={}",
                models[0].1
            ),
        }),
        None => Ok(()),
    }
}
