//! One clip of a folder: from what is there of it to its final name.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    output::Existing,
    recode::{
        Container, Encoder, Encoding, RecodeError, Source,
        pipeline::{added, least_bytes},
    },
    run::{
        ClipJob, CommandError, ElementSettings, FrameOptions, MaskSource, Observer, Outcome,
        RunError, job::new_element, run_clip,
    },
    segments::{self, PlanJob},
};

use super::{
    budgets::divided_budgets,
    divided,
    pairs::PairError,
    record::{Found, Recipe, Record, RecordError},
    room::Room,
};

/// The property that asks for crops.
const CROPS: &str = "crop-mode";

/// An error that keeps a clip from being made.
#[derive(Debug, Error)]
pub enum JobError {
    #[error(transparent)]
    Pair(#[from] PairError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Segments(#[from] segments::JobError),
    #[error(transparent)]
    Options(Box<CommandError>),
    #[error("{} exists, and {why}: --force replaces it", output.display())]
    Other { output: PathBuf, why: String },
    #[error("{0} while it was read: start again once nothing writes to it")]
    Changed(&'static str),
}

impl From<CommandError> for JobError {
    fn from(error: CommandError) -> Self {
        Self::Options(Box::new(error))
    }
}

impl From<RecodeError> for JobError {
    fn from(error: RecodeError) -> Self {
        Self::Run(error.into())
    }
}

/// What all clips of a folder have in common.
#[derive(Debug)]
pub struct Common {
    /// The folder for records and whatever is not complete.
    pub work: PathBuf,
    pub encoding: Encoding,
    pub existing: Existing,
    /// The digest of the networks in use.
    pub weights: Option<String>,
    /// Number of frames that a segment of a long clip has, about.
    pub segment_frames: usize,
    /// Bytes of host memory that are free at the start, if known.
    pub free_memory: Option<u64>,
}

/// A clip with all that decides what becomes of it.
#[derive(Debug)]
pub struct Job {
    pub name: String,
    input: PathBuf,
    mask: MaskSource,
    settings: ElementSettings,
    recipe: Recipe,
    record: Record,
    found: Found,
    /// Caps of the decoded frames without their rate: clips with the same ones are alike.
    frames: String,
    /// Number of frames, as length and rate tell.
    count: u64,
    /// Bytes that the output will hardly be smaller than.
    least_bytes: u64,
}

impl Job {
    /// Finds out what is there of a clip, and whether it can be made.
    ///
    /// # Errors
    /// An input cannot be read or has no video, or another file is in the place of the output.
    pub fn new(
        name: String,
        input: PathBuf,
        output: PathBuf,
        mask: MaskSource,
        mut settings: ElementSettings,
        common: &Common,
    ) -> Result<Self, JobError> {
        if settings.get(CROPS).is_none() {
            // As in segments, so that the length of a clip decides nothing.
            settings.set(CROPS, "off").map_err(RunError::from)?;
        }
        let recipe = common.recipe(&input, &mask, &settings)?;
        let folder = common.work.join(output.file_name().unwrap_or_default());
        let record = Record::new(folder, output.clone(), recipe.clone());
        let mut job = Self {
            found: record.find(),
            name,
            input,
            mask,
            settings,
            recipe,
            record,
            frames: String::new(),
            count: 0,
            least_bytes: 0,
        };
        match &job.found {
            Found::Done | Found::Complete => return Ok(job),
            Found::Other(why) if common.existing == Existing::Refuse => {
                return Err(JobError::Other {
                    output,
                    why: why.clone(),
                });
            }
            _ => {}
        }
        let source = Source::open(&job.input)?;
        let size = gst_video::VideoInfo::from_caps(&source.decoded).map_err(RunError::from)?;
        job.frames = format!("{}x{} {}", size.width(), size.height(), size.format());
        let rate = f64::from(size.fps().numer()) / f64::from(size.fps().denom());
        let seconds = source
            .length
            .map_or(0.0, |length| length.nseconds() as f64 * 1e-9);
        job.count = (seconds * rate) as u64;
        let element: gst::Element = new_element(&job.settings)?;
        let source = source.grown(added(&element));
        let container = Container::of(job.record.output())?;
        let encoder = Encoder::choose(&source, container, &common.encoding)?;
        job.least_bytes = least_bytes(&job.input, &source, &encoder);
        Ok(job)
    }

    /// Returns whether the output was made before.
    pub fn is_done(&self) -> bool {
        self.found == Found::Done
    }

    /// Returns the room that the clip takes.
    pub fn room(&self, common: &Common) -> Room {
        Room {
            output: self.least_bytes,
            divided: self.is_divided(common),
            begun: match self.found {
                Found::Begun => self.record.bytes(),
                _ => 0,
            },
        }
    }

    /// Returns whether the clip is made in segments: if it is long, and the settings allow it.
    fn is_divided(&self, common: &Common) -> bool {
        // Crops follow the masks of all frames.
        self.settings.get(CROPS) == Some("off") && self.count > 3 * common.segment_frames as u64 / 2
    }

    /// Makes the clip in segments, of which those that are complete are used.
    fn in_segments(
        &self,
        common: &Common,
        budgets: &ElementSettings,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, JobError> {
        if !self.record.is_begun() {
            self.record.begin()?;
        }
        let complete = self.record.complete();
        let plan = PlanJob {
            input: self.input.clone(),
            mask: self.mask.clone(),
            settings: self.settings.clone(),
            encoding: common.encoding.clone(),
            container: complete
                .extension()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            segment_frames: common.segment_frames,
        };
        match divided::run(self.record.folder(), &plan, budgets, &complete, observer) {
            Err(error) if divided::is_indivisible(&error) => {
                observer.notice(&format!("it is made as a whole: {error}"));
                self.whole(common, budgets, observer)
            }
            result => Ok(result?),
        }
    }

    /// Makes the clip as a whole.
    fn whole(
        &self,
        common: &Common,
        budgets: &ElementSettings,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, JobError> {
        self.record.begin()?;
        let mut settings = self.settings.clone();
        settings.take(budgets);
        let clip = ClipJob {
            input: self.input.clone(),
            mask: self.mask.clone(),
            output: self.record.complete(),
            settings,
            encoding: common.encoding.clone(),
            existing: Existing::Replace,
            frames: FrameOptions::default(),
            part: None,
        };
        Ok(run_clip(&clip, observer)?)
    }

    /// Makes the clip, as one of so many that run at once.
    ///
    /// # Errors
    /// See [`JobError`]. What is complete of the clip stays, for the next time.
    pub fn run(
        &self,
        common: &Common,
        at_once: u64,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, JobError> {
        if self.found == Found::Complete {
            self.record.finish(common.existing)?;
            return Ok(Outcome::default());
        }
        let budgets = divided_budgets(&self.settings, at_once, common.free_memory);
        let budgets = budgets.map_err(RunError::from)?;
        let outcome = match self.is_divided(common) {
            true => self.in_segments(common, &budgets, observer)?,
            false => self.whole(common, &budgets, observer)?,
        };
        let now = common.recipe(&self.input, &self.mask, &self.settings)?;
        match self.recipe.difference(&now) {
            None => {}
            Some("input") => return Err(JobError::Changed("the clip changed")),
            Some(_) => return Err(JobError::Changed("its masks changed")),
        }
        self.record.finish(common.existing)?;
        Ok(outcome)
    }
}

impl Common {
    fn recipe(
        &self,
        input: &Path,
        mask: &MaskSource,
        settings: &ElementSettings,
    ) -> Result<Recipe, RecordError> {
        let encoding = format!("{:?}", self.encoding);
        Recipe::new(input, mask, settings, &encoding, self.weights.as_deref())
    }
}

/// Orders clips so that those with frames of one size and format follow one another; else as
/// before.
pub fn order(jobs: &mut [(usize, Job)]) {
    let frames = jobs.iter().map(|(_, job)| job.frames.clone());
    let ranks = first_places(&frames.collect::<Vec<_>>());
    jobs.sort_by_key(|(number, job)| (ranks[&job.frames], *number));
}

/// Returns where each value stands first.
fn first_places(values: &[String]) -> HashMap<String, usize> {
    let mut places = HashMap::new();
    for (place, value) in values.iter().enumerate() {
        places.entry(value.clone()).or_insert(place);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_of_one_size_follow_one_another() {
        let values = ["hd", "sd", "hd", "4k", "sd"].map(str::to_owned);
        let places = first_places(&values);
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by_key(|&at| (places[&values[at]], at));
        assert_eq!(order, [0, 2, 1, 4, 3]);
    }
}
