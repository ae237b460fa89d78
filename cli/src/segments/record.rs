//! What was done of a job: a file beside each segment.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    JobError,
    identity::Identity,
    manifest::{VERSION, segment_file, write_json},
};
use crate::{output::Existing, run::Outcome};

/// What was done of a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Record {
    pub version: u32,
    /// [`Manifest::id`](super::Manifest::id) of the job.
    pub job: String,
    pub segment: usize,
    /// The file by its content; its path does not count.
    pub file: Identity,
    /// Number of frames in it.
    pub frames: usize,
    /// Engine and memory plan that computed it.
    pub model: String,
    pub plan: String,
    pub seconds: f64,
}

/// The state of a segment.
#[derive(Debug)]
pub enum State {
    /// It is complete.
    Done(Box<Record>),
    /// There is no file, or one that nothing tells about.
    Missing,
    /// Its file or its record cannot be used, for this reason.
    Unusable(String),
}

impl Record {
    /// Describes a segment whose file is complete.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn new(
        job: &Path,
        id: String,
        segment: usize,
        frames: usize,
        outcome: &Outcome,
    ) -> Result<Self, JobError> {
        let file = segment_file(job, segment);
        let identity = Identity::of(&file).map_err(|source| JobError::Read { file, source })?;
        Ok(Self {
            version: VERSION,
            job: id,
            segment,
            file: identity,
            frames,
            model: outcome.sample.model.clone(),
            plan: outcome.sample.plan.clone(),
            seconds: outcome.duration.as_secs_f64(),
        })
    }

    /// Writes the record beside the segment.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, job: &Path) -> Result<(), JobError> {
        write_json(&record_file(job, self.segment), self, Existing::Replace)
    }
}

/// Returns the state of a segment of the job with this id.
///
/// # Errors
/// A file cannot be read.
pub fn state(job: &Path, id: &str, segment: usize) -> Result<State, JobError> {
    let (file, record) = (segment_file(job, segment), record_file(job, segment));
    let text = match fs::read_to_string(&record) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Missing),
        Err(source) => {
            return Err(JobError::Read {
                file: record,
                source,
            });
        }
        Ok(text) => text,
    };
    let unusable = |problem: &str| Ok(State::Unusable(problem.to_owned()));
    let Ok(found) = serde_json::from_str::<Record>(&text) else {
        return unusable("its record is damaged or of another version of the program");
    };
    if found.version != VERSION {
        return unusable("its record is of another version of the program");
    }
    if found.job != id {
        return unusable("it was made for another plan: settings, clip, masks or segments differ");
    }
    if found.segment != segment {
        return unusable(&format!(
            "it is segment {} under another name",
            found.segment
        ));
    }
    let same = Identity {
        path: file.clone(),
        ..found.file.clone()
    };
    match same.is_unchanged() {
        Ok(true) => Ok(State::Done(Box::new(found))),
        Ok(false) => unusable("it has changed since it was written"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::Missing),
        Err(source) => Err(JobError::Read { file, source }),
    }
}

/// Removes the complete segments of an earlier plan from number `count` on, which the job lacks, and
/// returns how many there were. Those before are replaced when they are processed.
///
/// # Errors
/// One cannot be removed.
pub fn remove_from(job: &Path, count: usize) -> Result<usize, JobError> {
    let folder = job.join("segments");
    let read = |source| JobError::Read {
        file: folder.clone(),
        source,
    };
    let mut removed = 0;
    for entry in fs::read_dir(&folder).map_err(read)? {
        let record = entry.map_err(read)?.path();
        let number = record
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse().ok());
        // Without its record a file may be anything.
        let Some(number) = number.filter(|&n| n >= count && record_file(job, n) == record) else {
            continue;
        };
        // The record last: with it, what is left is found again.
        for file in [segment_file(job, number), record] {
            match fs::remove_file(&file) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(JobError::Write { file, source });
                }
                _ => {}
            }
        }
        removed += 1;
    }
    Ok(removed)
}

fn record_file(job: &Path, segment: usize) -> PathBuf {
    segment_file(job, segment).with_extension("json")
}
