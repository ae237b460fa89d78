//! The demo: a clip through the real element into an mp4, a before/after strip, and a report.
//!
//! - [`clip`]: where the pictures come from, as pipelines
//! - [`watch`]: what passes the element's pads: counts, PSNR, pictures for the strip
//! - [`strip`]: the PNG

mod clip;
mod strip;
mod watch;

use std::{
    fs, io,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Parser;
use gst::prelude::*;
use thiserror::Error;

use self::watch::Watch;

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
    /// Folder for demo.mp4 and demo.png
    #[arg(long, default_value = "out")]
    pub output: PathBuf,
    /// Engine: propagation (no weights), propainter (the networks) or auto
    #[arg(long, default_value = "propagation")]
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
    #[error("no video frame came out; is {0} a video?")]
    NoFrames(String),
    #[error("--{0} {1}: {2}")]
    Option(&'static str, u32, &'static str),
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
    let movie = options.output.join("demo.mp4");
    let clip = match &options.video {
        Some(video) => clip::file(video, &movie)?,
        None => clip::generated(options, &movie)?,
    };
    let element = &clip.element;
    element.set_property_from_str("model", &options.model);
    element.set_property("device", &options.device);
    if let Some(weights) = &options.weights {
        element.set_property("weights", weights.to_string_lossy().as_ref());
    }
    if let Some(mask) = &options.mask {
        element.set_property("mask-location", mask.to_string_lossy().as_ref());
    }

    let watch = Watch::new(element, clip.scene.clone())?;
    let start = Instant::now();
    play(&clip.pipeline)?;
    let seconds = start.elapsed();
    let seen = watch.finish();
    if seen.frames == 0 {
        let name = options.video.as_ref().map(|v| v.display().to_string());
        return Err(DemoError::NoFrames(name.unwrap_or_default()));
    }
    let picture = options.output.join("demo.png");
    strip::write(&picture, &seen.pictures)?;
    report(&seen, element, seconds);
    println!("wrote {} and {}", movie.display(), picture.display());
    Ok(())
}

/// Plays to the end of the stream.
fn play(pipeline: &gst::Pipeline) -> Result<(), DemoError> {
    let stopped = Stop(pipeline);
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

/// Brings the pipeline to a stop on every way out.
struct Stop<'a>(&'a gst::Pipeline);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        // Nothing is left to do about a pipeline that does not even stop.
        let _ = self.0.set_state(gst::State::Null);
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
