//! One clip through the element into another file.

use std::{
    ops::Range,
    path::PathBuf,
    time::{Duration, Instant},
};

use gst::prelude::*;
use thiserror::Error;

use crate::{
    memory,
    monitor::{self, Sample},
    output::{Existing, OutputError},
    recode::{Encoding, Job, Recode, RecodeError, StopOnDrop},
};

use super::{
    mask::{Attached, MaskError, MaskSource},
    settings::{ElementSettings, SettingsError},
};

/// Time between two reports of progress.
const INTERVAL: Duration = Duration::from_millis(200);

/// A clip, and what is made of it.
#[derive(Clone, Debug)]
pub struct ClipJob {
    pub input: PathBuf,
    pub mask: MaskSource,
    pub output: PathBuf,
    pub settings: ElementSettings,
    pub encoding: Encoding,
    pub existing: Existing,
    /// The part of the clip that is written, without sound; `None` for all of it.
    pub part: Option<Part>,
}

/// A part of a clip, in frame numbers of the clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The frames that the element gets.
    pub read: Range<u64>,
    /// Those of them that are written.
    pub keep: Range<u64>,
}

/// How far a clip is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub frames: u64,
    /// Number of frames of the clip, as its length and frame rate tell; `None` where they are not
    /// known.
    pub total: Option<u64>,
    pub elapsed: Duration,
    /// The element's property `stats`.
    pub sample: Sample,
}

/// Watches a clip.
pub trait Observer {
    /// Takes the progress, several times a second.
    fn progress(&mut self, progress: &Progress);

    /// Takes a remark: a warning, or something that the new file lacks.
    fn notice(&mut self, text: &str);
}

/// What became of a clip.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub frames: u64,
    pub duration: Duration,
    /// The element's property `stats` at the end.
    pub sample: Sample,
    /// Most bytes of the process that were resident at once; `None` where the system does not
    /// report it.
    pub resident_peak: Option<u64>,
    /// The reductions of quality that the memory required, in order.
    pub downgrades: Vec<String>,
    /// Warnings, and what the new file lacks.
    pub notes: Vec<String>,
    /// Whether the output replaced a file.
    pub replaced: bool,
}

/// An error that keeps a clip from being written.
#[derive(Debug, Error)]
pub enum RunError {
    #[error(transparent)]
    Recode(#[from] RecodeError),
    #[error(transparent)]
    Mask(#[from] MaskError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("GStreamer: {0} (scripts/setup.sh installs the packages that are needed)")]
    Setup(#[from] gst::glib::Error),
    #[error("GStreamer: {0}")]
    Element(#[from] gst::glib::BoolError),
}

impl From<OutputError> for RunError {
    fn from(error: OutputError) -> Self {
        Self::Recode(error.into())
    }
}

/// Writes a clip and returns what became of it.
///
/// # Errors
/// An input cannot be read, the output cannot be written, or an element fails; no file is left
/// behind then.
pub fn run_clip(job: &ClipJob, observer: &mut dyn Observer) -> Result<Outcome, RunError> {
    let clip = Clip::open(job)?;
    let outcome = clip.play(observer)?;
    clip.finish()?;
    Ok(outcome)
}

/// A clip that is ready to be played into an incomplete file. Dropped before [`Clip::finish`], it
/// leaves nothing behind.
pub struct Clip {
    /// The element `propainter`.
    pub element: gst::Element,
    input: PathBuf,
    recode: Recode,
    masks: Attached,
}

impl Clip {
    /// Reads the beginning of the clip and builds its pipeline.
    ///
    /// # Errors
    /// See [`run_clip`].
    pub fn open(job: &ClipJob) -> Result<Self, RunError> {
        gst::init()?;
        propainter_elements::plugin_register_static()?;
        let element = gst::ElementFactory::make("propainter").build()?;
        job.settings.apply(&element)?;
        let files = Job {
            video: job.input.clone(),
            output: job.output.clone(),
            inputs: job.mask.files(),
            existing: job.existing,
            encoding: job.encoding.clone(),
        };
        let recode = Recode::new(&files, &element)?;
        let first = job.part.as_ref().map_or(0, |part| part.read.start);
        let masks = job.mask.attach(&element, &recode.pipeline, first)?;
        Ok(Self {
            element,
            input: job.input.clone(),
            recode,
            masks,
        })
    }

    /// Returns whether a file exists that will be replaced.
    pub fn replaces(&self) -> bool {
        self.recode.replaces()
    }

    /// Plays to the end of the stream.
    ///
    /// # Errors
    /// An element fails, or no frame comes out.
    pub fn play(&self, observer: &mut dyn Observer) -> Result<Outcome, RunError> {
        let mut outcome = Outcome {
            notes: self.recode.notes.clone(),
            replaced: self.replaces(),
            ..Outcome::default()
        };
        for note in &outcome.notes {
            observer.notice(note);
        }
        let start = Instant::now();
        let result = self.watch(start, &mut outcome, observer);
        result.map_err(|error| self.masks.real_names(error))?;
        outcome.duration = start.elapsed();
        outcome.resident_peak = memory::peak_resident();
        if outcome.frames == 0 {
            return Err(RecodeError::NoVideo(self.input.clone()).into());
        }
        Ok(outcome)
    }

    /// Moves the file to its final path, once the stream has ended.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(self) -> Result<(), RunError> {
        Ok(self.recode.finish()?)
    }

    /// Plays the pipeline and handles its messages.
    fn watch(
        &self,
        start: Instant,
        outcome: &mut Outcome,
        observer: &mut dyn Observer,
    ) -> Result<(), RecodeError> {
        let pipeline = &self.recode.pipeline;
        let bus = pipeline.bus();
        let bus = bus.ok_or_else(|| gst::glib::bool_error!("the pipeline has no bus"))?;
        let _stop = StopOnDrop(pipeline);
        let refused = pipeline.set_state(gst::State::Playing).err();
        let mut next = start + INTERVAL;
        loop {
            let timeout = match refused {
                // The element that refused has posted the reason.
                Some(_) => Duration::ZERO,
                None => next.saturating_duration_since(Instant::now()),
            };
            let timeout = gst::ClockTime::try_from(timeout).unwrap_or(gst::ClockTime::ZERO);
            let Some(message) = bus.timed_pop(timeout) else {
                if let Some(error) = refused {
                    return Err(error.into());
                }
                observer.progress(&self.progress(start));
                next = Instant::now() + INTERVAL;
                continue;
            };
            let text = match message.view() {
                gst::MessageView::Eos(_) => {
                    let progress = self.progress(start);
                    observer.progress(&progress);
                    outcome.frames = progress.frames;
                    outcome.sample = progress.sample;
                    return Ok(());
                }
                gst::MessageView::Error(error) => return Err(RecodeError::of_message(error)),
                gst::MessageView::Warning(warning) => Some(warning.error().to_string()),
                gst::MessageView::Element(message) => {
                    let structure = message.structure();
                    let text = structure.and_then(monitor::message);
                    let degraded = structure.filter(|s| s.name() == "propainter-degraded");
                    outcome.downgrades.extend(degraded.and(text.clone()));
                    // The plan is part of the progress.
                    text.filter(|_| structure.is_some_and(|s| s.name() != "propainter-plan"))
                }
                gst::MessageView::Latency(_) => {
                    // An element that failed to take it posts again when its latency changes.
                    let _ = pipeline.recalculate_latency();
                    None
                }
                _ => None,
            };
            if let Some(text) = text {
                observer.notice(&text);
                outcome.notes.push(text);
            }
        }
    }

    fn progress(&self, start: Instant) -> Progress {
        let stats: gst::Structure = self.element.property("stats");
        let sample = Sample::of(&stats);
        Progress {
            frames: sample.frames_out,
            total: self.total(),
            elapsed: start.elapsed(),
            sample,
        }
    }

    /// Returns the number of frames that the clip's length and frame rate tell.
    fn total(&self) -> Option<u64> {
        let pad = self.element.static_pad("sink")?;
        let info = gst_video::VideoInfo::from_caps(pad.current_caps()?.as_ref()).ok()?;
        let length: gst::ClockTime = pad.peer_query_duration()?;
        let rate = info.fps();
        let rate = (
            u64::try_from(rate.numer()).ok()?,
            u64::try_from(rate.denom()).ok()?,
        );
        let frames = length
            .nseconds()
            .mul_div_round(rate.0, 1_000_000_000 * rate.1)?;
        (frames > 0).then_some(frames)
    }
}
