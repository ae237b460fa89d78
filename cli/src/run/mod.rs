//! `propainter run`: removes what masks mark from videos.
//!
//! - [`settings`]: the element's properties as options
//! - [`mask`]: where the masks come from
//! - [`clip`]: one clip through the element into another file
//! - [`play`]: plays a pipeline and reports how far it is
//! - [`progress`]: what is shown meanwhile

pub mod clip;
pub mod mask;
pub mod play;
pub mod progress;
pub mod settings;

use std::{io, path::PathBuf};

use clap::Args;
use thiserror::Error;

use crate::{Console, output::Existing, recode::Encoding, units};

pub use self::{
    clip::{Clip, ClipJob, Part, RunError, run_clip},
    mask::MaskSource,
    play::{Observer, Outcome, Progress},
    progress::{Bar, Quiet},
    settings::ElementSettings,
};

/// Removes what a mask marks from a video
///
/// Sound, subtitles, chapters, tags, rotation and frame times are kept; codec, bit depth and
/// chroma stay as they are where the new file can have them.
#[derive(Debug, Args)]
pub struct Options {
    /// Video to read
    #[arg(value_name = "INPUT")]
    pub input: PathBuf,
    /// Mask: an image, a video, a folder of images, or numbered images such as mask%05d.png; white
    /// marks what to remove
    #[arg(long, value_name = "FILE")]
    pub mask: Option<PathBuf>,
    /// Video to write: .mp4, .m4v, .mov, .mkv, .webm or .ts
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Replace the output where it exists
    #[arg(long)]
    pub force: bool,
    /// Show no progress and no report, only errors
    #[arg(long)]
    pub quiet: bool,
    #[command(flatten)]
    pub settings: ElementSettings,
}

/// An error that ends the subcommand.
#[derive(Debug, Error)]
pub enum CommandError {
    #[error(transparent)]
    Run(#[from] RunError),
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

/// Runs the subcommand.
///
/// # Errors
/// An input cannot be read, an output cannot be written, or an element fails.
pub fn run(options: &Options, console: &mut Console<'_>) -> Result<(), CommandError> {
    let settings = &options.settings;
    let mask = match &options.mask {
        Some(location) => MaskSource::find(location).map_err(RunError::from)?,
        None if MASKS.iter().any(|name| settings.get(name).is_some()) => MaskSource::None,
        None => return Err(CommandError::NoMask),
    };
    let job = ClipJob {
        input: options.input.clone(),
        mask,
        output: options.output.clone(),
        settings: settings.clone(),
        encoding: Encoding::default(),
        existing: Existing::with_force(options.force),
        part: None,
    };
    if options.quiet {
        run_clip(&job, &mut Quiet)?;
        return Ok(());
    }
    let outcome = run_clip(&job, &mut Bar::new("run", console.errors))?;
    report(&job, &outcome, console)?;
    Ok(())
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
