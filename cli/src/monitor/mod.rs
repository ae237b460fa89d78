//! Plays a pipeline and shows, as it goes, what its propainter elements say of themselves.
//!
//! - [`sample`]: the property `stats` and the element's messages as text
//! - [`files`]: what a pipeline reads and writes
//! - [`view`]: where the text goes: lines one after another, or a screen that is redrawn

mod files;
mod sample;
mod view;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Parser;
use gst::prelude::*;
use thiserror::Error;

use crate::{
    output::{Existing, OutputError},
    recode::{Job, Recode, RecodeError},
};

pub use self::{
    sample::Sample,
    view::{Lines, Screen, View},
};

/// Plays a pipeline and shows what its propainter elements take of memory, and what they do.
///
///   propainter-monitor videotestsrc ! propainter model=propagation ! fakesink
///   propainter-monitor --video clip.mp4 --mask logo.png vram-budget=4294967296
#[derive(Debug, Parser)]
#[command(name = "propainter-monitor", version, verbatim_doc_comment)]
pub struct Options {
    /// Milliseconds from line to line
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..))]
    pub interval: u64,
    /// A video to play instead of a pipeline of your own
    #[arg(long)]
    pub video: Option<PathBuf>,
    /// The mask for it: an image, white is what goes
    #[arg(long, requires = "video")]
    pub mask: Option<PathBuf>,
    /// A video to write, with the sound and what else the first one has: .mp4, .mov, .mkv, .webm
    /// or .ts; without it the pictures are dropped
    #[arg(long, requires = "video")]
    pub output: Option<PathBuf>,
    /// Replace the output where it exists
    #[arg(long, requires = "output")]
    pub force: bool,
    /// The pipeline, as for gst-launch-1.0; with --video, property=value of the element
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required_unless_present = "video"
    )]
    pub pipeline: Vec<String>,
}

/// Why the pipeline did not come to its end.
#[derive(Debug, Error)]
pub enum MonitorError {
    #[error("GStreamer: {0}")]
    Setup(#[from] gst::glib::Error),
    #[error("GStreamer: {0}")]
    Register(#[from] gst::glib::BoolError),
    #[error("this is no pipeline of several elements")]
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
    Write(#[from] std::io::Error),
}

/// Plays to the end of the stream, and shows.
///
/// # Errors
/// A pipeline that cannot be made, or an error on its bus.
pub fn run(options: &Options, view: &mut dyn View) -> Result<(), MonitorError> {
    gst::init()?;
    propainter_elements::plugin_register_static()?;
    let recode = match (&options.video, &options.output) {
        (Some(video), Some(output)) => Some(recode(options, video, output)?),
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
        // The element that refused has said why; where none has, the refusal is all there is.
        Ok(()) => started.map(|_| ()).map_err(MonitorError::from),
        Err(error) => Err(error),
    };
    // Nothing is left to do about a pipeline that does not even stop.
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

/// From one file into the other, by an element with the properties that are given.
fn recode(options: &Options, video: &Path, output: &Path) -> Result<Recode, MonitorError> {
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
    };
    let recode = Recode::new(&job, &element)?;
    for note in &recode.notes {
        eprintln!("propainter-monitor: {note}");
    }
    Ok(recode)
}

/// What to play where no file is written, in gst-launch's words.
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

/// The pipeline's propainter elements by their names, wherever they are in it.
fn elements(pipeline: &gst::Pipeline) -> Vec<gst::Element> {
    let found = pipeline.iterate_all_by_element_factory_name("propainter");
    let mut found: Vec<gst::Element> = found.into_iter().flatten().collect();
    found.sort_by_key(|element| element.name());
    found
}

/// Shows a sample of each element at each interval and what is on the bus meanwhile, until the
/// stream ends or, where it `refused` to start, nothing more is on the bus.
fn watch(
    pipeline: &gst::Pipeline,
    interval: Duration,
    refused: bool,
    view: &mut dyn View,
) -> Result<(), MonitorError> {
    let bus = pipeline.bus().ok_or(MonitorError::NoPipeline)?;
    let mut next = Instant::now() + interval;
    loop {
        let patience = match refused {
            true => Duration::ZERO,
            false => next.saturating_duration_since(Instant::now()),
        };
        let patience = gst::ClockTime::try_from(patience).unwrap_or(gst::ClockTime::ZERO);
        let Some(message) = bus.timed_pop(patience) else {
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
                // Whoever did not take it posts again when it changes.
                let _ = pipeline.recalculate_latency();
            }
            _ => {}
        }
    }
}

fn show(pipeline: &gst::Pipeline, view: &mut dyn View) -> Result<(), MonitorError> {
    for element in elements(pipeline) {
        let stats: gst::Structure = element.property("stats");
        view.sample(&element.name(), &Sample::of(&stats))?;
    }
    Ok(())
}
