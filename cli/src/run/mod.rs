//! `propainter run`: removes what masks mark from videos.
//!
//! - [`subject`]: the options that tell what is removed and added
//! - [`settings`]: the element's properties as options
//! - [`mask`]: where the masks come from
//! - [`job`]: a clip, what is made of it, and what can go wrong
//! - [`clip`]: one file through the element into another file
//! - [`expand`]: the borders of a wider or taller picture
//! - [`mod@play`]: plays a pipeline and reports how far it is
//! - [`progress`]: what is shown meanwhile
//! - [`page`]: the report of a clip
//! - [`space`]: whether the new file will fit
//! - [`images`]: frames that are images
//! - [`raw`]: frames that are not in a video file, on either side: Y4M and images

pub mod clip;
pub mod expand;
pub mod images;
pub mod job;
pub mod mask;
mod page;
pub mod play;
pub mod progress;
mod raw;
pub mod settings;
pub mod space;
pub mod subject;

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use serde_json::{Value, json};
use thiserror::Error;

use crate::{
    Console,
    output::{Existing, Output},
    recode::Encoding,
    report::frames::Watch,
    units,
    y4m::PIPE,
};

pub use self::{
    clip::Clip,
    images::options::FrameOptions,
    job::{ClipJob, RunError},
    mask::MaskSource,
    play::{Observer, Outcome, Progress, play},
    progress::{Bar, JsonLines, Quiet},
    settings::ElementSettings,
    subject::Subject,
};
use self::{page::Recorder, raw::run_raw};

/// Removes what a mask marks from a video
///
/// Sound, subtitles, chapters, tags, rotation and frame times are kept; codec, bit depth and
/// chroma stay as they are where the new file can have them.
#[derive(Debug, Args)]
pub struct Options {
    /// Video to read, a folder of videos, a folder of images that are the frames of one video or
    /// their numbered names (frame%05d.png), or the folder of a job that `propainter plan` has
    /// written; - for Y4M on the standard input
    #[arg(value_name = "INPUT")]
    pub input: PathBuf,
    /// Video to write: .mp4, .m4v, .mov, .mkv, .webm or .ts; a folder for images (name/), and for a
    /// folder of videos; - for Y4M on the standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the output where it exists
    #[arg(long)]
    pub force: bool,
    /// Show no progress and no report, only errors
    #[arg(long)]
    pub quiet: bool,
    /// Print an object of JSON a line: progress, notice, then done or error; of a folder, each clip
    /// as it ends and the sums
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Page to write: facts, curves of time and memory, and the frames that were changed most
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Video without what is removed: the report then tells the PSNR, and shows the worst frames
    #[arg(long, value_name = "FILE", requires = "report")]
    pub truth: Option<PathBuf>,
    /// Number of clips of a folder that run at once; they divide vram-budget and host-budget
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: u16,
    /// Number of frames after which a long clip of a folder is divided, so that no more than that is
    /// done again after an interruption
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    pub segment_frames: u32,
    #[command(flatten)]
    pub subject: Subject,
    #[command(flatten)]
    pub encoding: Encoding,
    #[command(flatten)]
    pub frames: FrameOptions,
    /// Segment of the job to process, from 0 on [default: $JOB_COMPLETION_INDEX,
    /// $AWS_BATCH_JOB_ARRAY_INDEX or $SLURM_ARRAY_TASK_ID; without any, all segments that are left]
    #[arg(long, value_name = "N", help_heading = "Segments of a job")]
    pub segment: Option<u32>,
    /// Number to add to that of the segment: -1 for an array that begins at 1
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true,
        help_heading = "Segments of a job"
    )]
    pub segment_offset: i64,
}

/// An error that ends the subcommand.
#[derive(Debug, Error)]
pub enum CommandError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("name the file to write: --output FILE")]
    NoOutput,
    #[error(
        "nothing is to be removed or added: name a mask (--mask, --rectangle, --mask-from-alpha) or \
         --expand"
    )]
    NoMask,
    #[error(
        "a report is about a video file: leave out --report, or name files in place of - and folders"
    )]
    NoReport,
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Runs the subcommand.
///
/// # Errors
/// An input cannot be read, an output cannot be written, or an element fails.
pub fn run(options: &Options, console: &mut Console<'_>) -> Result<(), CommandError> {
    let output = options.output.clone().ok_or(CommandError::NoOutput)?;
    let job = ClipJob {
        input: options.input.clone(),
        mask: options.subject.masks()?.ok_or(CommandError::NoMask)?,
        output,
        settings: options.subject.settings(&options.input)?,
        encoding: options.encoding.clone(),
        existing: Existing::with_force(options.force),
        frames: options.frames,
        part: None,
    };
    if options.json {
        let mut lines = JsonLines(text_of(console, &job));
        let result = run_one(options, &job, &mut lines);
        lines.line(&match &result {
            Ok(outcome) => done(&job, outcome),
            Err(error) => json!({ "type": "error", "text": error.to_string() }),
        });
        result?;
    } else if options.quiet {
        run_one(options, &job, &mut Quiet)?;
    } else {
        let outcome = run_one(options, &job, &mut Bar::new("run", console.errors))?;
        print(&job, &outcome, text_of(console, &job))?;
    }
    Ok(())
}

/// Writes a clip and returns what became of it.
///
/// # Errors
/// An input cannot be read, the output cannot be written, or an element fails; no file is left
/// behind then.
pub fn run_clip(job: &ClipJob, observer: &mut dyn Observer) -> Result<Outcome, RunError> {
    let images = job.frames.kind(&job.output);
    if job.output.as_os_str() == PIPE || images.is_some() {
        return run_raw(job, images, observer);
    }
    let clip = Clip::open(job)?;
    let outcome = clip.play(observer)?;
    clip.finish()?;
    Ok(outcome)
}

/// Runs a clip and writes its report.
fn run_one(
    options: &Options,
    job: &ClipJob,
    observer: &mut dyn Observer,
) -> Result<Outcome, CommandError> {
    let Some(page) = &options.report else {
        return Ok(run_clip(job, observer)?);
    };
    let pipes = [&job.input, &job.output];
    let pipe = pipes.iter().any(|name| name.as_os_str() == PIPE);
    if pipe || job.frames.kind(&job.output).is_some() {
        return Err(CommandError::NoReport);
    }
    let mut inputs = vec![job.input.clone()];
    inputs.extend(job.mask.files());
    inputs.extend(options.truth.clone());
    let page = Output::create(page, &inputs, job.existing).map_err(RunError::from)?;
    let clip = Clip::open(job)?;
    let watch = Watch::new(&clip.element, options.truth.as_deref()).map_err(RunError::from)?;
    let mut recorder = Recorder::new(observer);
    let outcome = clip.play(&mut recorder)?;
    let points = recorder.finish();
    fs::write(
        page.part(),
        page::page(job, &outcome, &points, &watch.finish()),
    )?;
    clip.finish()?;
    page.commit().map_err(RunError::from)?;
    Ok(outcome)
}

/// Returns where text goes: frames on the standard output leave no place there for anything else.
fn text_of<'a>(console: &'a mut Console<'_>, job: &ClipJob) -> &'a mut dyn Write {
    match job.output.as_os_str() == PIPE {
        true => console.errors,
        false => console.out,
    }
}

/// Returns what became of a clip as an object of JSON.
fn done(job: &ClipJob, outcome: &Outcome) -> Value {
    json!({
        "type": "done",
        "output": job.output.display().to_string(),
        "replaced": outcome.replaced,
        "frames": outcome.frames,
        "seconds": outcome.duration.as_secs_f64(),
        "model": outcome.sample.model,
        "plan": outcome.sample.plan,
        "device_peak_bytes": outcome.sample.peak,
        "host_peak_bytes": outcome.sample.host_peak,
        "resident_peak_bytes": outcome.resident_peak,
        "given_up": outcome.downgrades,
        "notes": outcome.notes,
    })
}

/// Prints what became of a clip.
fn print(job: &ClipJob, outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let verb = if outcome.replaced {
        "replaced"
    } else {
        "wrote"
    };
    let seconds = outcome.duration.as_secs_f64();
    writeln!(
        out,
        "{verb} {}: {} frames in {seconds:.1} s, {:.1} frames per second",
        match job.output.as_os_str() == PIPE {
            true => "the standard output".into(),
            false => job.output.to_string_lossy(),
        },
        outcome.frames,
        outcome.frames as f64 / seconds.max(1e-9)
    )?;
    let peaks: Vec<_> = [
        ("device", outcome.sample.peak),
        ("held frames and networks", outcome.sample.host_peak),
        ("process", outcome.resident_peak.unwrap_or_default()),
    ]
    .into_iter()
    .filter(|(_, bytes)| *bytes > 0)
    .map(|(name, bytes)| format!("{name} {}", units::bytes(bytes)))
    .collect();
    if !peaks.is_empty() {
        writeln!(out, "peak memory: {}", peaks.join(", "))?;
    }
    match outcome.downgrades.as_slice() {
        [] => Ok(()),
        given_up => writeln!(out, "to fit the memory: {}", given_up.join("; ")),
    }
}
