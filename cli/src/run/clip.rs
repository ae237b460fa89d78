//! One file through the element into another file.

use gst::prelude::*;

use crate::recode::{Job, Recode, RecodeError};

use super::{
    job::{ClipJob, RunError, new_element},
    mask::Attached,
    play::{Observer, Outcome, play},
    raw::{Frames, Shared, change, files_of, into_file},
    space,
};

/// A clip that is ready to be played into an incomplete file. Dropped before [`Clip::finish`], it
/// leaves nothing behind.
pub struct Clip {
    /// The element `propainter`.
    pub element: gst::Element,
    job: ClipJob,
    recode: Recode,
    masks: Attached,
    /// What the thread that reads frames tells, if they are in no video file.
    ends: Shared,
}

impl Clip {
    /// Reads the beginning of the clip and builds its pipeline.
    ///
    /// # Errors
    /// See [`super::run_clip`].
    pub fn open(job: &ClipJob) -> Result<Self, RunError> {
        let element = new_element(&job.settings)?;
        let frames = match job.part {
            None => Frames::open(job)?,
            Some(_) => None,
        };
        let mut inputs = job.mask.files();
        inputs.extend(files_of(job, frames.as_ref()));
        let files = Job {
            video: job.input.clone(),
            output: job.output.clone(),
            inputs,
            existing: job.existing,
            encoding: job.encoding.clone(),
        };
        let ends = Shared::default();
        let recode = match (&job.part, frames) {
            (None, Some(frames)) => into_file(&files, frames, &ends, &element)?,
            (None, None) => Recode::new(&files, &element)?,
            (Some(part), _) => {
                element.set_property("clip-part", part.segment.to_string());
                Recode::of_part(&files, part, &element)?
            }
        };
        space::check(&job.output, recode.least_bytes)?;
        let masks = job.mask.attach(&element, &recode.pipeline, job.first())?;
        Ok(Self {
            element,
            job: job.clone(),
            recode,
            masks,
            ends,
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
        // What could not be read is the reason of what follows from it.
        if let Some(error) = change(&self.ends, |ends| ends.read.take()) {
            return Err(error);
        }
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
