//! `propainter run`: removes what masks mark from videos.
//!
//! - [`settings`]: the element's properties as options
//! - [`mask`]: where the masks come from
//! - [`clip`]: one clip through the element into another file
//! - [`play`]: plays a pipeline and reports how far it is
//! - [`progress`]: what is shown meanwhile
//! - [`folder`]: a folder of clips
//! - [`space`]: whether the new file will fit

pub mod clip;
pub mod folder;
pub mod mask;
pub mod play;
pub mod progress;
pub mod settings;
mod space;

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::{Value, json};
use thiserror::Error;

use crate::{
    Console,
    output::Existing,
    recode::Encoding,
    segments::{self, JobError, MANIFEST},
    units,
};

pub use self::{
    clip::{Clip, ClipJob, RunError, run_clip},
    mask::MaskSource,
    play::{Observer, Outcome, Progress, play},
    progress::{Bar, JsonLines, Quiet},
    settings::ElementSettings,
};

/// Removes what a mask marks from a video
///
/// Sound, subtitles, chapters, tags, rotation and frame times are kept; codec, bit depth and
/// chroma stay as they are where the new file can have them.
#[derive(Debug, Args)]
pub struct Options {
    /// Video to read, a folder of videos, or the folder of a job that `propainter plan` has written
    #[arg(value_name = "INPUT")]
    pub input: PathBuf,
    /// Mask: an image, a video, a folder of images, or numbered images such as mask%05d.png; white
    /// marks what to remove. For a folder of videos: a folder with a mask for each, named after it
    /// (clip.png, clip.mkv, a folder clip), or one mask for all
    #[arg(long, value_name = "FILE")]
    pub mask: Option<PathBuf>,
    /// Video to write: .mp4, .m4v, .mov, .mkv, .webm or .ts; for a folder of videos, a folder
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
    /// Number of clips of a folder that run at once; they divide vram-budget and host-budget
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: u16,
    /// Number of frames after which a long clip of a folder is divided, so that no more than that is
    /// done again after an interruption
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    pub segment_frames: u32,
    #[command(flatten)]
    pub encoding: Encoding,
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
    #[command(flatten)]
    pub settings: ElementSettings,
}

/// An error that ends the subcommand.
#[derive(Debug, Error)]
pub enum CommandError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Folder(#[from] folder::FolderError),
    #[error(transparent)]
    Job(#[from] JobError),
    #[error("name the file to write: --output FILE")]
    NoOutput,
    #[error("nothing is to be removed: name a mask (--mask, --mask-regions, --mask-from-alpha)")]
    NoMask,
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Properties that tell what to remove without `--mask`.
const MASKS: [&str; 4] = [
    "mask-location",
    "mask-regions",
    "mask-roi-type",
    "mask-from-alpha",
];

/// Returns where the masks of a clip come from; `None` if nothing tells what to remove.
///
/// # Errors
/// The masks cannot be read.
pub fn mask_source(
    mask: Option<&Path>,
    settings: &ElementSettings,
) -> Result<Option<MaskSource>, RunError> {
    let is_set = |name: &&str| settings.get(name).is_some();
    match mask {
        Some(location) => Ok(Some(MaskSource::find(location)?)),
        None => Ok(MASKS.iter().any(is_set).then_some(MaskSource::None)),
    }
}

/// Runs the subcommand.
///
/// # Errors
/// An input cannot be read, an output cannot be written, or an element fails.
pub fn run(options: &Options, console: &mut Console<'_>) -> Result<(), CommandError> {
    if options.input.join(MANIFEST).is_file() {
        return Ok(segments::one::run(options, console)?);
    }
    if options.input.is_dir() {
        return folder::run(options, console);
    }
    let settings = &options.settings;
    let mask = mask_source(options.mask.as_deref(), settings)?.ok_or(CommandError::NoMask)?;
    let output = options.output.clone().ok_or(CommandError::NoOutput)?;
    let job = ClipJob {
        input: options.input.clone(),
        mask,
        output,
        settings: settings.clone(),
        encoding: options.encoding.clone(),
        existing: Existing::with_force(options.force),
        part: None,
    };
    if options.json {
        let mut lines = JsonLines(&mut *console.out);
        let result = run_clip(&job, &mut lines);
        lines.line(&match &result {
            Ok(outcome) => done(&job, outcome),
            Err(error) => json!({ "type": "error", "text": error.to_string() }),
        });
        result?;
    } else if options.quiet {
        run_clip(&job, &mut Quiet)?;
    } else {
        let outcome = run_clip(&job, &mut Bar::new("run", console.errors))?;
        report(&job, &outcome, console)?;
    }
    Ok(())
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
fn report(job: &ClipJob, outcome: &Outcome, console: &mut Console<'_>) -> io::Result<()> {
    let verb = if outcome.replaced {
        "replaced"
    } else {
        "wrote"
    };
    let seconds = outcome.duration.as_secs_f64();
    console.say(&format!(
        "{verb} {}: {} frames in {seconds:.1} s, {:.1} frames per second",
        job.output.display(),
        outcome.frames,
        outcome.frames as f64 / seconds
    ))?;
    let peak =
        |name: &str, bytes: u64| (bytes > 0).then(|| format!("{name} {}", units::bytes(bytes)));
    let peaks = [
        peak("device", outcome.sample.peak),
        peak("held frames and networks", outcome.sample.host_peak),
        peak("process", outcome.resident_peak.unwrap_or_default()),
    ];
    let peaks: Vec<_> = peaks.into_iter().flatten().collect();
    if !peaks.is_empty() {
        console.say(&format!("peak memory: {}", peaks.join(", ")))?;
    }
    match outcome.downgrades.as_slice() {
        [] => Ok(()),
        given_up => console.say(&format!("to fit the memory: {}", given_up.join("; "))),
    }
}
