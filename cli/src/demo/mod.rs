//! `propainter demo`: a clip through the element into an MP4 file, a strip of frames before and
//! after, and a report.
//!
//! - [`clip`]: the generated clip; a video file goes through [`crate::recode`]
//! - [`probes`]: counts and compares the frames at the element's pads, and keeps some for the strip
//! - [`strip`]: the PNG file

mod clip;
mod probes;
mod strip;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use gst::prelude::*;
use thiserror::Error;

use crate::{
    Console,
    engine::EngineOptions,
    memory,
    output::{self, Existing, Output, OutputError},
    recode::{Encoding, RecodeError},
    run::{
        Clip, ClipJob, ElementSettings, FrameOptions, MaskSource, Outcome, RunError, play::play,
        progress::Bar, settings::SettingsError,
    },
};

use self::probes::PadProbes;

/// The folder whose files the demo replaces without `--force`.
const DEFAULT_FOLDER: &str = "out";

/// Removes an object and a logo from a generated clip, or what a mask marks from a video.
///
/// Writes demo.mp4, and demo.png with frames before and after. Prints the PSNR inside the hole
/// where the truth is known, frames per second and peak memory.
#[derive(Debug, Args)]
pub struct Options {
    /// Video to use in place of the generated clip
    #[arg(long, value_name = "FILE", requires = "mask")]
    pub video: Option<PathBuf>,
    /// Mask for the video: an image in which white marks what to remove
    #[arg(long, value_name = "FILE")]
    pub mask: Option<PathBuf>,
    /// Folder for demo.mp4 and demo.png; it is created where it does not exist
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_FOLDER)]
    pub output: PathBuf,
    /// Replace demo.mp4 and demo.png in a folder other than the default one
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub engine: EngineOptions,
    /// Number of frames of the generated clip
    #[arg(long, default_value_t = 96, value_parser = clap::value_parser!(u32).range(1..))]
    pub frames: u32,
    /// Width of the generated clip, 16 to 7680 pixels
    #[arg(long, default_value_t = 432, value_parser = clap::value_parser!(u32).range(16..=7680))]
    pub width: u32,
    /// Height of the generated clip, 16 to 7680 pixels
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u32).range(16..=7680))]
    pub height: u32,
}

/// An error that ends the demo.
#[derive(Debug, Error)]
pub enum DemoError {
    #[error("{0}: {1}")]
    Folder(PathBuf, #[source] io::Error),
    #[error("{0}: {1}")]
    Image(PathBuf, #[source] image::ImageError),
    #[error("GStreamer: {0} (scripts/setup.sh installs the packages that are needed)")]
    Setup(#[from] gst::glib::Error),
    #[error("GStreamer: {0}")]
    Pipeline(#[from] gst::glib::BoolError),
    #[error("{0}; --output FOLDER sets another place")]
    Output(#[from] OutputError),
    #[error(transparent)]
    Run(RunError),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

impl From<RunError> for DemoError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Recode(RecodeError::Output(error)) => Self::Output(error),
            other => Self::Run(other),
        }
    }
}

/// The incomplete `demo.mp4`.
enum Movie {
    Generated(Output),
    Clip(Box<Clip>),
}

impl Movie {
    fn commit(self) -> Result<(), DemoError> {
        match self {
            Self::Generated(output) => Ok(output.commit()?),
            Self::Clip(clip) => Ok(clip.finish()?),
        }
    }
}

/// Runs the demo and prints its report.
///
/// # Errors
/// An input cannot be read, an output cannot be written, or an element fails.
pub fn run(options: &Options, console: &mut Console<'_>) -> Result<(), DemoError> {
    gst::init()?;
    propainter_elements::plugin_register_static()?;
    fs::create_dir_all(&options.output)
        .map_err(|error| DemoError::Folder(options.output.clone(), error))?;
    let movie_path = options.output.join("demo.mp4");
    let strip_path = options.output.join("demo.png");
    let mask = match &options.mask {
        Some(mask) => MaskSource::find(mask).map_err(RunError::from)?,
        None => MaskSource::None,
    };
    let inputs: Vec<PathBuf> = options.video.iter().cloned().chain(mask.files()).collect();
    let force = options.force || options.output == Path::new(DEFAULT_FOLDER);
    let existing = Existing::with_force(force);
    output::check(&movie_path, &inputs, existing)?;
    let strip = Output::create(&strip_path, &inputs, existing)?;
    let settings = settings(&options.engine).map_err(RunError::from)?;
    let mut bar = Bar::new("demo", console.errors);
    let (movie, observed, outcome) = match &options.video {
        Some(video) => {
            let clip = Clip::open(&ClipJob {
                input: video.clone(),
                mask,
                output: movie_path.clone(),
                settings,
                encoding: Encoding::default(),
                existing,
                frames: FrameOptions::default(),
                part: None,
            })?;
            let probes = PadProbes::new(&clip.element, None)?;
            let outcome = clip.play(&mut bar)?;
            (Movie::Clip(Box::new(clip)), probes.finish(), outcome)
        }
        None => {
            let output = Output::create(&movie_path, &inputs, existing)?;
            let clip = clip::generated(options, output.part())?;
            settings.apply(&clip.element).map_err(RunError::from)?;
            if let MaskSource::Image(mask) = mask {
                clip.element.set_property("mask-location", mask);
            }
            let probes = PadProbes::new(&clip.element, Some(clip.scene))?;
            let played = play(&clip.pipeline, &clip.element, &mut bar);
            let outcome = Outcome {
                replaced: output.replaces(),
                ..played.map_err(RunError::from)?
            };
            (Movie::Generated(output), probes.finish(), outcome)
        }
    };
    drop(bar);
    strip::write(strip.part(), &observed.pairs)?;
    report(&observed, &outcome, console)?;
    let verb = |replaces| if replaces { "replaced" } else { "wrote" };
    let verbs = (verb(outcome.replaced), verb(strip.replaces()));
    movie.commit()?;
    strip.commit()?;
    console.say(&format!("{} {}", verbs.0, movie_path.display()))?;
    console.say(&format!("{} {}", verbs.1, strip_path.display()))?;
    Ok(())
}

/// Returns the properties of the element that choose the engine.
fn settings(engine: &EngineOptions) -> Result<ElementSettings, SettingsError> {
    let mut settings = ElementSettings::default();
    settings.set("model", engine.model.name())?;
    settings.set("device", &engine.device.to_string())?;
    if let Some(weights) = &engine.weights {
        settings.set("weights", &weights.to_string_lossy())?;
    }
    Ok(settings)
}

fn report(
    observed: &probes::Observed,
    outcome: &Outcome,
    console: &mut Console<'_>,
) -> io::Result<()> {
    let frames = observed.frames;
    let (width, height) = observed.size;
    let model = &outcome.sample.model;
    console.say(&format!(
        "{frames} frames of {width}×{height}, model {model}"
    ))?;
    if let Some(psnr) = observed.psnr {
        console.say(&format!(
            "PSNR inside the hole: {psnr:.2} dB against the truth"
        ))?;
    }
    let fps = frames as f64 / outcome.duration.as_secs_f64();
    console.say(&format!(
        "speed: {fps:.1} frames per second, decoding and encoding included"
    ))?;
    console.say(&memory::report())
}
