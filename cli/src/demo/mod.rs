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
    time::{Duration, Instant},
};

use clap::Args;
use gst::prelude::*;
use thiserror::Error;

use crate::{
    Console,
    engine::EngineOptions,
    memory,
    output::{self, Existing, Output, OutputError, input_files},
    recode::{Encoding, Job, Recode, RecodeError, StopOnDrop},
};

use self::{clip::Clip, probes::PadProbes};

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
    #[error("GStreamer: {0}")]
    State(#[from] gst::StateChangeError),
    #[error("{element}: {message}")]
    Stream { element: String, message: String },
    #[error("the element produced no frame")]
    NoFrames,
    #[error("{0}; --output FOLDER sets another place")]
    Output(#[from] OutputError),
    #[error(transparent)]
    Recode(RecodeError),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

impl From<RecodeError> for DemoError {
    fn from(error: RecodeError) -> Self {
        match error {
            RecodeError::Output(error) => Self::Output(error),
            other => Self::Recode(other),
        }
    }
}

/// The incomplete `demo.mp4`.
enum Movie {
    Generated(Output),
    Recoded(Recode),
}

impl Movie {
    fn replaces(&self) -> bool {
        match self {
            Self::Generated(output) => output.replaces(),
            Self::Recoded(recode) => recode.replaces(),
        }
    }

    fn commit(self) -> Result<(), DemoError> {
        match self {
            Self::Generated(output) => Ok(output.commit()?),
            Self::Recoded(recode) => Ok(recode.finish()?),
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
    let mask = options.mask.iter();
    let masks: Vec<PathBuf> = mask.flat_map(|mask| input_files(mask)).collect();
    let inputs: Vec<PathBuf> = options.video.iter().chain(&masks).cloned().collect();
    let force = options.force || options.output == Path::new(DEFAULT_FOLDER);
    let existing = Existing::with_force(force);
    output::check(&movie_path, &inputs, existing)?;
    let strip = Output::create(&strip_path, &inputs, existing)?;
    let (clip, movie) = match &options.video {
        Some(video) => {
            let job = Job {
                video: video.clone(),
                output: movie_path.clone(),
                inputs: masks,
                existing,
                encoding: Encoding::default(),
            };
            let element = gst::ElementFactory::make("propainter").build()?;
            let recode = Recode::new(&job, &element)?;
            for note in &recode.notes {
                console.note("demo", note)?;
            }
            let clip = Clip {
                pipeline: recode.pipeline.clone(),
                element,
                scene: None,
            };
            (clip, Movie::Recoded(recode))
        }
        None => {
            let output = Output::create(&movie_path, &inputs, existing)?;
            let clip = clip::generated(options, output.part())?;
            (clip, Movie::Generated(output))
        }
    };
    set_properties(&clip.element, options);

    let probes = PadProbes::new(&clip.element, clip.scene.clone())?;
    let start = Instant::now();
    play(&clip.pipeline)?;
    let duration = start.elapsed();
    let observed = probes.finish();
    if observed.frames == 0 {
        return Err(DemoError::NoFrames);
    }
    strip::write(strip.part(), &observed.pairs)?;
    report(&observed, &clip.element, duration, console)?;
    let verb = |replaces| if replaces { "replaced" } else { "wrote" };
    let verbs = (verb(movie.replaces()), verb(strip.replaces()));
    movie.commit()?;
    strip.commit()?;
    console.say(&format!("{} {}", verbs.0, movie_path.display()))?;
    console.say(&format!("{} {}", verbs.1, strip_path.display()))?;
    Ok(())
}

fn set_properties(element: &gst::Element, options: &Options) {
    let engine = &options.engine;
    element.set_property_from_str("model", engine.model.name());
    element.set_property("device", engine.device.to_string());
    if let Some(weights) = &engine.weights {
        element.set_property("weights", weights);
    }
    if let Some(mask) = &options.mask {
        element.set_property("mask-location", mask);
    }
}

/// Plays to the end of the stream.
fn play(pipeline: &gst::Pipeline) -> Result<(), DemoError> {
    let _stop = StopOnDrop(pipeline);
    pipeline.set_state(gst::State::Playing).map_err(|error| {
        // The element that refused has posted the reason.
        wait(pipeline).unwrap_or(DemoError::State(error))
    })?;
    wait(pipeline).map_or(Ok(()), Err)
}

/// Waits for the end of the stream or an error, and returns the error.
fn wait(pipeline: &gst::Pipeline) -> Option<DemoError> {
    let bus = pipeline.bus()?;
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(gst::ClockTime::NONE, &kinds)?;
    match message.view() {
        gst::MessageView::Error(error) => Some(DemoError::Stream {
            element: error
                .src()
                .map(|source| source.name().to_string())
                .unwrap_or_default(),
            message: error.error().to_string(),
        }),
        _ => None,
    }
}

fn report(
    observed: &probes::Observed,
    element: &gst::Element,
    duration: Duration,
    console: &mut Console<'_>,
) -> io::Result<()> {
    let frames = observed.frames;
    let (width, height) = observed.size;
    let stats = element.property::<gst::Structure>("stats");
    let model = stats.get::<String>("model").unwrap_or_default();
    console.say(&format!(
        "{frames} frames of {width}×{height}, model {model}"
    ))?;
    if let Some(psnr) = observed.psnr {
        console.say(&format!(
            "PSNR inside the hole: {psnr:.2} dB against the truth"
        ))?;
    }
    let fps = frames as f64 / duration.as_secs_f64();
    console.say(&format!(
        "speed: {fps:.1} frames per second, decoding and encoding included"
    ))?;
    console.say(&memory::report())
}
