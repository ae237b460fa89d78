//! The demo: a clip through the real element into an mp4, a before/after strip, and a report.
//!
//! - [`clip`]: the generated clip; a file goes through [`crate::recode`]
//! - [`watch`]: what passes the element's pads: counts, PSNR, pictures for the strip
//! - [`strip`]: the PNG

mod clip;
mod strip;
mod watch;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Parser;
use gst::prelude::*;
use thiserror::Error;

use crate::{
    output::{self, Existing, Output, OutputError, sequence},
    recode::{Job, Recode, RecodeError, Stopped},
};

use self::{clip::Clip, watch::Watch};

/// The folder that the demo may write into anew each time.
const OUT: &str = "out";

/// Removes an object and a logo from a generated clip, or what a mask marks from a video.
#[derive(Debug, Parser)]
#[command(name = "propainter-demo", version)]
pub struct Options {
    /// A video of your own; without it a clip is generated
    #[arg(long, requires = "mask")]
    pub video: Option<PathBuf>,
    /// The mask for it: an image, white is what goes
    #[arg(long)]
    pub mask: Option<PathBuf>,
    /// Folder for demo.mp4 and demo.png; it is made where it is missing
    #[arg(long, default_value = OUT)]
    pub output: PathBuf,
    /// Replace demo.mp4 and demo.png in a folder other than the default one
    #[arg(long)]
    pub force: bool,
    /// Engine: propagation (no weights), propainter (the networks) or auto
    #[arg(long, default_value = "propagation", value_parser = ["propagation", "propainter", "auto"])]
    pub model: String,
    /// Folder that holds the checkpoints
    #[arg(long)]
    pub weights: Option<PathBuf>,
    /// Device: auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Frames of the generated clip
    #[arg(long, default_value_t = 96, value_parser = clap::value_parser!(u32).range(1..))]
    pub frames: u32,
    /// Width of the generated clip, 16 to 7680 pixels
    #[arg(long, default_value_t = 432)]
    pub width: u32,
    /// Height of the generated clip, 16 to 7680 pixels
    #[arg(long, default_value_t = 240)]
    pub height: u32,
}

/// Why there is no demo to see.
#[derive(Debug, Error)]
pub enum DemoError {
    #[error("{0}: {1}")]
    File(PathBuf, #[source] io::Error),
    #[error("{0}: {1}")]
    Picture(PathBuf, #[source] image::ImageError),
    #[error("GStreamer: {0} (run scripts/setup.sh for the packages that are needed)")]
    Setup(#[from] gst::glib::Error),
    #[error("GStreamer: {0}")]
    Pipeline(#[from] gst::glib::BoolError),
    #[error("GStreamer: {0}")]
    State(#[from] gst::StateChangeError),
    #[error("{element}: {message}")]
    Stream { element: String, message: String },
    #[error("no video frame came out")]
    NoFrames,
    #[error("{0}; --output FOLDER sets another place")]
    Output(#[from] OutputError),
    #[error(transparent)]
    Recode(RecodeError),
    #[error("--{0} {1}: {2}")]
    Option(&'static str, u32, &'static str),
}

impl From<RecodeError> for DemoError {
    fn from(error: RecodeError) -> Self {
        match error {
            RecodeError::Output(error) => Self::Output(error),
            other => Self::Recode(other),
        }
    }
}

/// The movie in the making.
enum Movie {
    Generated(Output),
    File(Recode),
}

impl Movie {
    fn replaces(&self) -> bool {
        match self {
            Self::Generated(output) => output.replaces(),
            Self::File(recode) => recode.replaces(),
        }
    }

    fn finish(self) -> Result<(), DemoError> {
        match self {
            Self::Generated(output) => Ok(output.commit()?),
            Self::File(recode) => Ok(recode.finish()?),
        }
    }
}

/// Runs the demo and prints its report.
///
/// # Errors
/// An input that cannot be read, an output that cannot be written, an element that fails.
pub fn run(options: &Options) -> Result<(), DemoError> {
    gst::init()?;
    propainter_elements::plugin_register_static()?;
    fs::create_dir_all(&options.output)
        .map_err(|error| DemoError::File(options.output.clone(), error))?;
    let movie_name = options.output.join("demo.mp4");
    let picture_name = options.output.join("demo.png");
    let inputs: Vec<PathBuf> = options
        .mask
        .iter()
        .flat_map(|mask| sequence(mask))
        .collect();
    let existing = Existing::with_force(options.force || options.output == Path::new(OUT));
    let read = options
        .video
        .iter()
        .chain(&inputs)
        .cloned()
        .collect::<Vec<_>>();
    output::check(&movie_name, &read, existing)?;
    let picture = Output::create(&picture_name, &read, existing)?;
    let (clip, movie) = match &options.video {
        Some(video) => {
            let job = Job {
                video: video.clone(),
                output: movie_name.clone(),
                inputs,
                existing,
            };
            let element = gst::ElementFactory::make("propainter").build()?;
            let recode = Recode::new(&job, &element)?;
            for note in &recode.notes {
                eprintln!("propainter-demo: {note}");
            }
            let clip = Clip {
                pipeline: recode.pipeline.clone(),
                element,
                scene: None,
            };
            (clip, Movie::File(recode))
        }
        None => {
            let output = Output::create(&movie_name, &read, existing)?;
            let clip = clip::generated(options, output.part())?;
            (clip, Movie::Generated(output))
        }
    };
    let element = &clip.element;
    element.set_property_from_str("model", &options.model);
    element.set_property("device", &options.device);
    if let Some(weights) = &options.weights {
        element.set_property("weights", weights);
    }
    if let Some(mask) = &options.mask {
        element.set_property("mask-location", mask);
    }

    let watch = Watch::new(element, clip.scene.clone())?;
    let start = Instant::now();
    play(&clip.pipeline)?;
    let seconds = start.elapsed();
    let seen = watch.finish();
    if seen.frames == 0 {
        return Err(DemoError::NoFrames);
    }
    strip::write(picture.part(), &seen.pictures)?;
    report(&seen, element, seconds);
    let verb = |replaces| if replaces { "replaced" } else { "wrote" };
    let verbs = (verb(movie.replaces()), verb(picture.replaces()));
    movie.finish()?;
    picture.commit()?;
    println!("{} {}", verbs.0, movie_name.display());
    println!("{} {}", verbs.1, picture_name.display());
    Ok(())
}

/// Plays to the end of the stream.
fn play(pipeline: &gst::Pipeline) -> Result<(), DemoError> {
    let stopped = Stopped(pipeline);
    pipeline.set_state(gst::State::Playing).map_err(|error| {
        // The element that refused has said why.
        failure(pipeline).unwrap_or(DemoError::State(error))
    })?;
    let result = failure(pipeline).map_or(Ok(()), Err);
    drop(stopped);
    result
}

/// Waits for the end or an error, and returns the error.
fn failure(pipeline: &gst::Pipeline) -> Option<DemoError> {
    let bus = pipeline.bus()?;
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(gst::ClockTime::NONE, &kinds)?;
    match message.view() {
        gst::MessageView::Error(error) => Some(DemoError::Stream {
            element: error
                .src()
                .map(|s| s.name().to_string())
                .unwrap_or_default(),
            message: error.error().to_string(),
        }),
        _ => None,
    }
}

fn report(seen: &watch::Seen, element: &gst::Element, seconds: Duration) {
    let frames = seen.frames;
    let (width, height) = seen.size;
    let fps = frames as f64 / seconds.as_secs_f64();
    let model = element
        .property::<gst::Structure>("stats")
        .get::<String>("model");
    println!(
        "{frames} frames of {width}×{height}, model {}",
        model.unwrap_or_default()
    );
    if let Some(psnr) = seen.psnr {
        println!("PSNR inside the hole: {psnr:.2} dB against the truth");
    }
    println!("speed: {fps:.1} frames per second, decoding and encoding included");
    match crate::memory::peak_resident() {
        Some(bytes) => println!("peak memory: {:.0} MB resident", bytes as f64 / 1e6),
        None => println!("peak memory: this system does not tell"),
    }
}
