//! `propainter monitor`: plays a pipeline and shows memory and progress of its propainter elements.
//!
//! - [`sample`]: the property `stats` and the element's messages as text
//! - [`charts`]: bars and curves of characters
//! - [`files`]: the files that a pipeline reads and writes
//! - [`view`]: lines one after another, or a screen that is redrawn

mod charts;
mod files;
mod sample;
mod view;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use gst::prelude::*;
use thiserror::Error;

use crate::{
    Console,
    output::{Existing, OutputError},
    recode::{Encoding, Job, Recode, RecodeError},
};

pub use self::{
    sample::{Sample, message},
    view::{Lines, Screen, View},
};

/// Plays a pipeline or a video and shows memory and progress of its propainter elements
///
/// Examples:
///   propainter monitor videotestsrc ! propainter model=propagation ! fakesink
///   propainter monitor --video clip.mp4 --mask logo.png vram-budget=4294967296
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Options {
    /// Milliseconds between two samples
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..))]
    pub interval: u64,
    /// Video to play in place of a pipeline
    #[arg(long, value_name = "FILE")]
    pub video: Option<PathBuf>,
    /// Mask for the video: an image in which white marks what to remove
    #[arg(long, value_name = "FILE", requires = "video")]
    pub mask: Option<PathBuf>,
    /// Video to write, with sound and subtitles of the first one: .mp4, .mov, .mkv, .webm or .ts;
    /// without this option the frames are dropped
    #[arg(long, value_name = "FILE", requires = "video")]
    pub output: Option<PathBuf>,
    /// Replace the output where it exists
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Pipeline, as for gst-launch-1.0; with --video, property=value of the element
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required_unless_present = "video",
        value_parser = pipeline_word
    )]
    pub pipeline: Vec<String>,
}

/// Accepts a word of a pipeline, none of which begins as an option does.
fn pipeline_word(word: &str) -> Result<String, String> {
    match word.starts_with("--") {
        true => Err("it is neither an option nor part of a pipeline".to_owned()),
        false => Ok(word.to_owned()),
    }
}

/// An error that ends the monitor.
#[derive(Debug, Error)]
pub enum MonitorError {
    #[error("GStreamer: {0}")]
    Setup(#[from] gst::glib::Error),
    #[error("GStreamer: {0}")]
    Register(#[from] gst::glib::BoolError),
    #[error("the description is not a pipeline of several elements")]
    NoPipeline,
    #[error("the pipeline has no element propainter")]
    NoElement,
    #[error("after --video only property=value of the element propainter may follow")]
    NoProperty,
    #[error("{0}")]
    Recode(#[from] RecodeError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("{element}: {message}")]
    Stream { element: String, message: String },
    #[error("GStreamer: {0}")]
    State(#[from] gst::StateChangeError),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Plays to the end of the stream: on a terminal with a screen, else with lines.
///
/// # Errors
/// As [`play`].
pub fn run(options: &Options, console: &mut Console<'_>) -> Result<(), MonitorError> {
    match console.is_terminal {
        true => play(options, &mut Screen::default(), console.errors),
        false => play(options, &mut Lines(&mut *console.out), console.errors),
    }
}

/// Plays to the end of the stream and shows samples and messages; writes to `errors` what a video
/// file cannot keep.
///
/// # Errors
/// The pipeline cannot be built, or an error is posted on its bus.
pub fn play(
    options: &Options,
    view: &mut dyn View,
    errors: &mut dyn Write,
) -> Result<(), MonitorError> {
    gst::init()?;
    propainter_elements::plugin_register_static()?;
    let recode = match (&options.video, &options.output) {
        (Some(video), Some(output)) => Some(recode(options, video, output, errors)?),
        _ => None,
    };
    let pipeline = match &recode {
        Some(recode) => recode.pipeline.clone(),
        None => parse(&description(options))?,
    };
    if elements(&pipeline).is_empty() {
        return Err(MonitorError::NoElement);
    }
    if recode.is_none() {
        files::check(&pipeline)?;
    }
    let interval = Duration::from_millis(options.interval);
    let started = pipeline.set_state(gst::State::Playing);
    let result = match watch(&pipeline, interval, started.is_err(), view) {
        // The element that refused has posted the reason; where none has, there is no other.
        Ok(()) => started.map(|_| ()).map_err(MonitorError::from),
        Err(error) => Err(error),
    };
    // A failure to stop has no remedy.
    let _ = pipeline.set_state(gst::State::Null);
    result?;
    if let (Some(recode), Some(output)) = (recode, &options.output) {
        let verb = if recode.replaces() {
            "replaced"
        } else {
            "wrote"
        };
        recode.finish()?;
        view.message(&format!("{verb} {}", output.display()))?;
    }
    Ok(())
}

/// Prepares to write `video` to `output` through an element with the given properties.
fn recode(
    options: &Options,
    video: &Path,
    output: &Path,
    errors: &mut dyn Write,
) -> Result<Recode, MonitorError> {
    let mut words = vec!["propainter".to_owned()];
    words.extend(
        options
            .mask
            .iter()
            .map(|mask| format!("mask-location={}", mask.display())),
    );
    words.extend(options.pipeline.iter().cloned());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let element = gst::parse::launchv(&words)?;
    if element
        .factory()
        .is_none_or(|factory| factory.name() != "propainter")
    {
        return Err(MonitorError::NoProperty);
    }
    let job = Job {
        video: video.to_owned(),
        output: output.to_owned(),
        inputs: files::read_by(&element),
        existing: Existing::with_force(options.force),
        encoding: Encoding::default(),
    };
    let recode = Recode::new(&job, &element)?;
    for note in &recode.notes {
        writeln!(errors, "propainter monitor: {note}")?;
    }
    Ok(recode)
}

/// Returns the pipeline where no file is written, as words for gst-launch-1.0.
fn description(options: &Options) -> Vec<String> {
    let Some(video) = &options.video else {
        return options.pipeline.clone();
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut all = words("filesrc");
    all.push(format!("location={}", video.display()));
    all.extend(words("! decodebin ! videoconvert ! propainter"));
    if let Some(mask) = &options.mask {
        all.push(format!("mask-location={}", mask.display()));
    }
    all.extend(options.pipeline.iter().cloned());
    all.extend(words("! videoconvert !"));
    all.extend(words("fakesink"));
    all
}

/// Builds a pipeline from words, or from one line.
fn parse(words: &[String]) -> Result<gst::Pipeline, MonitorError> {
    let element = match words {
        [line] => gst::parse::launch(line)?,
        words => {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            gst::parse::launchv(&words)?
        }
    };
    element
        .downcast::<gst::Pipeline>()
        .map_err(|_| MonitorError::NoPipeline)
}

/// Returns the propainter elements, wherever they are in the pipeline, ordered by name.
fn elements(pipeline: &gst::Pipeline) -> Vec<gst::Element> {
    let found = pipeline.iterate_all_by_element_factory_name("propainter");
    let mut found: Vec<gst::Element> = found.into_iter().flatten().collect();
    found.sort_by_key(|element| element.name());
    found
}

/// Shows samples at each interval and messages as they come, until the stream ends. Where the
/// pipeline `refused` to start, shows the messages that are on the bus.
fn watch(
    pipeline: &gst::Pipeline,
    interval: Duration,
    refused: bool,
    view: &mut dyn View,
) -> Result<(), MonitorError> {
    let bus = pipeline.bus().ok_or(MonitorError::NoPipeline)?;
    let mut next = Instant::now() + interval;
    loop {
        let timeout = match refused {
            true => Duration::ZERO,
            false => next.saturating_duration_since(Instant::now()),
        };
        let timeout = gst::ClockTime::try_from(timeout).unwrap_or(gst::ClockTime::ZERO);
        let Some(message) = bus.timed_pop(timeout) else {
            if refused {
                return Ok(());
            }
            show(pipeline, view)?;
            next = Instant::now() + interval;
            continue;
        };
        let source = || {
            let source = message.src();
            source.map_or_else(String::new, |source| source.name().to_string())
        };
        match message.view() {
            gst::MessageView::Eos(_) => return show(pipeline, view),
            gst::MessageView::Error(error) => {
                show(pipeline, view)?;
                return Err(MonitorError::Stream {
                    element: source(),
                    message: error.error().to_string(),
                });
            }
            gst::MessageView::Warning(warning) => {
                view.message(&format!("{}: warning: {}", source(), warning.error()))?;
            }
            gst::MessageView::Element(element) => {
                let text = element.structure().and_then(sample::message);
                if let Some(text) = text {
                    view.message(&format!("{}: {text}", source()))?;
                }
            }
            gst::MessageView::Latency(_) => {
                // An element that failed to take it posts again when its latency changes.
                let _ = pipeline.recalculate_latency();
            }
            _ => {}
        }
    }
}

/// Shows a sample of each element.
fn show(pipeline: &gst::Pipeline, view: &mut dyn View) -> Result<(), MonitorError> {
    for element in elements(pipeline) {
        let stats: gst::Structure = element.property("stats");
        view.sample(&element.name(), &Sample::of(&stats))?;
    }
    Ok(())
}
