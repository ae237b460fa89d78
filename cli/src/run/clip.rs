//! One clip through the element into another file.

use std::{io, path::PathBuf};

use gst::prelude::*;
use thiserror::Error;

use crate::{
    output::{Existing, OutputError},
    recode::{Encoding, Job, Part, Recode, RecodeError},
};

use super::{
    expand::ExpandError,
    mask::{Attached, MaskError, MaskSource},
    pipe::{PIPE, run_pipe},
    play::{Observer, Outcome, play},
    settings::{ElementSettings, SettingsError},
    space::{self, NoSpace},
    y4m::Y4mError,
};

/// A clip, and what is made of it.
#[derive(Clone, Debug)]
pub struct ClipJob {
    /// A video; `-` for Y4M on the standard input.
    pub input: PathBuf,
    pub mask: MaskSource,
    /// A video; `-` for Y4M on the standard output.
    pub output: PathBuf,
    pub settings: ElementSettings,
    pub encoding: Encoding,
    pub existing: Existing,
    /// The part of the clip that is written, without sound; `None` for all of it.
    pub part: Option<Part>,
}

impl ClipJob {
    /// Returns the number of the frame that the element gets first.
    fn first(&self) -> u64 {
        let part = self.part.as_ref();
        part.map_or(0, |part| part.segment.read.start as u64)
    }
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
    #[error(transparent)]
    Expand(#[from] ExpandError),
    #[error(transparent)]
    Y4m(#[from] Y4mError),
    #[error(
        "frames from the standard input go to the standard output: use -o -, and pipe them into \
         ffmpeg -i - to write a file"
    )]
    HalfPipe,
    #[error("the Y4M cannot be written: {0}")]
    Pipe(io::Error),
    #[error(transparent)]
    Space(#[from] NoSpace),
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
    match (
        job.input.as_os_str() == PIPE,
        job.output.as_os_str() == PIPE,
    ) {
        (_, true) => return run_pipe(job, observer),
        (true, false) => return Err(RunError::HalfPipe),
        (false, false) => {}
    }
    let clip = Clip::open(job)?;
    let outcome = clip.play(observer)?;
    clip.finish()?;
    Ok(outcome)
}

/// Returns a new element with its properties set.
pub(super) fn new_element(settings: &ElementSettings) -> Result<gst::Element, RunError> {
    gst::init()?;
    propainter_elements::plugin_register_static()?;
    let element = gst::ElementFactory::make("propainter");
    let element = element.name("propainter").build()?;
    settings.apply(&element)?;
    Ok(element)
}

/// A clip that is ready to be played into an incomplete file. Dropped before [`Clip::finish`], it
/// leaves nothing behind.
pub struct Clip {
    /// The element `propainter`.
    pub element: gst::Element,
    job: ClipJob,
    recode: Recode,
    masks: Attached,
}

impl Clip {
    /// Reads the beginning of the clip and builds its pipeline.
    ///
    /// # Errors
    /// See [`run_clip`].
    pub fn open(job: &ClipJob) -> Result<Self, RunError> {
        let element = new_element(&job.settings)?;
        let files = Job {
            video: job.input.clone(),
            output: job.output.clone(),
            inputs: job.mask.files(),
            existing: job.existing,
            encoding: job.encoding.clone(),
        };
        let recode = match &job.part {
            None => Recode::new(&files, &element)?,
            Some(part) => {
                element.set_property("clip-part", part.segment.to_string());
                Recode::of_part(&files, part, &element)?
            }
        };
        if job.part.is_none() {
            space::check(&job.output, recode.least_bytes)?;
        }
        let masks = job.mask.attach(&element, &recode.pipeline, job.first())?;
        Ok(Self {
            element,
            job: job.clone(),
            recode,
            masks,
        })
    }

    /// Plays to the end of the stream.
    ///
    /// # Errors
    /// An element fails, or no frame comes out.
    pub fn play(&self, observer: &mut dyn Observer) -> Result<Outcome, RunError> {
        for note in &self.recode.notes {
            observer.notice(note);
        }
        let played = play(&self.recode.pipeline, &self.element, observer);
        let mut outcome = played.map_err(|error| self.masks.real_names(error))?;
        if outcome.frames == 0 {
            return Err(RecodeError::NoVideo(self.job.input.clone()).into());
        }
        let frames = outcome.sample.frames_in;
        let remarks = [
            self.recode.remark(frames),
            self.job
                .mask
                .remark(&self.masks, (self.job.first(), frames)),
        ];
        // A part has neither all frames nor all masks.
        let remarks = remarks.into_iter().filter(|_| self.job.part.is_none());
        for text in remarks.flatten() {
            observer.notice(&text);
            outcome.notes.push(text);
        }
        outcome
            .notes
            .splice(0..0, self.recode.notes.iter().cloned());
        outcome.replaced = self.recode.replaces();
        Ok(outcome)
    }

    /// Moves the file to its final path, once the stream has ended.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(self) -> Result<(), RunError> {
        Ok(self.recode.finish()?)
    }
}
