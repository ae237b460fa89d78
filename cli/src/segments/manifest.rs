//! `job.json`: what a job consists of, and how it is divided.

use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    JobError,
    identity::{Identity, hex},
    times::Times,
};
use crate::{
    output::{Existing, Output},
    recode::{Container, Encoding, Part},
    run::{ElementSettings, MaskSource},
};

/// Version of the manifest that this program writes and reads.
pub const VERSION: u32 = 1;

/// Name of the manifest in the folder of a job.
pub const MANIFEST: &str = "job.json";

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    pub version: u32,
    /// The program that wrote it.
    pub program: String,
    pub input: Identity,
    pub mask: Masks,
    /// Properties of the element by their names. Those that could differ from machine to machine are
    /// set, too.
    pub settings: BTreeMap<String, String>,
    /// The checkpoints by their content; none for the engine without networks.
    pub weights: Vec<Identity>,
    /// Extension of the file that the segments are joined into.
    pub container: String,
    /// The GStreamer element that encodes, and the quality asked for.
    pub encoder: String,
    pub quality: Option<u8>,
    /// Number of frames of the clip.
    pub frames: usize,
    /// Running times of the frames.
    pub times: Times,
    /// Where these settings let a segment begin, as a phrase.
    pub division: String,
    pub segments: Vec<Entry>,
}

/// The masks, by what they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Masks {
    /// The settings tell what to remove.
    Settings,
    Image(Identity),
    /// Images by the numbers of the frames that they are for.
    Images(BTreeMap<u64, Identity>),
    Video(Identity),
}

/// A segment, in frame numbers of the clip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Entry {
    pub read: Range<usize>,
    pub keep: Range<usize>,
    /// Timestamp of the first frame that is read, in nanoseconds.
    pub first: u64,
    /// Time in the stream of the key frame to decode from, in nanoseconds; from the beginning if
    /// there is none.
    pub key: Option<u64>,
}

impl Masks {
    /// Notes the files of a source.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn of(source: &MaskSource) -> Result<Self, JobError> {
        Ok(match source {
            MaskSource::None => Self::Settings,
            MaskSource::Image(file) => Self::Image(identity(file)?),
            MaskSource::Video(file) => Self::Video(identity(file)?),
            MaskSource::Sequence(files) => {
                let files = files.iter();
                let files = files.map(|(frame, file)| Ok((*frame, identity(file)?)));
                Self::Images(files.collect::<Result<_, JobError>>()?)
            }
        })
    }

    pub fn source(&self) -> MaskSource {
        match self {
            Self::Settings => MaskSource::None,
            Self::Image(file) => MaskSource::Image(file.path.clone()),
            Self::Video(file) => MaskSource::Video(file.path.clone()),
            Self::Images(files) => {
                let files = files.iter();
                MaskSource::Sequence(
                    files
                        .map(|(frame, file)| (*frame, file.path.clone()))
                        .collect(),
                )
            }
        }
    }

    fn files(&self) -> Vec<&Identity> {
        match self {
            Self::Settings => Vec::new(),
            Self::Image(file) | Self::Video(file) => vec![file],
            Self::Images(files) => files.values().collect(),
        }
    }
}

/// Reads what identifies a file.
///
/// # Errors
/// It cannot be read.
pub fn identity(file: &Path) -> Result<Identity, JobError> {
    Identity::of(file).map_err(|source| JobError::Read {
        file: file.to_owned(),
        source,
    })
}

impl Manifest {
    /// Reads and checks the manifest of a job.
    ///
    /// # Errors
    /// There is none, it is of another version, or its segments are not those of its clip.
    pub fn read(job: &Path) -> Result<Self, JobError> {
        let file = job.join(MANIFEST);
        let text = fs::read_to_string(&file).map_err(|source| JobError::Read {
            file: file.clone(),
            source,
        })?;
        let wrong = |problem: String| JobError::Manifest {
            file: file.clone(),
            problem,
        };
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } =
            serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if version != VERSION {
            return Err(JobError::Version { file, version });
        }
        let manifest: Self =
            serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        manifest.check().map_err(wrong)?;
        Ok(manifest)
    }

    /// Checks that each frame is kept once.
    fn check(&self) -> Result<(), String> {
        let mut next = 0;
        for (number, entry) in self.segments.iter().enumerate() {
            let Range { start, end } = entry.keep;
            if start != next || end <= start {
                let what = if start < next { "doubled" } else { "missing" };
                return Err(format!(
                    "segment {number} keeps the frames {start}..{end}, so frames from {next} on are {what}"
                ));
            }
            next = end;
        }
        match next == self.frames {
            true => Ok(()),
            false => Err(format!(
                "the segments end at frame {next}, and the clip at frame {}",
                self.frames
            )),
        }
    }

    /// Writes the manifest into the folder of a job, which exists.
    ///
    /// # Errors
    /// It exists and may not be replaced, or cannot be written.
    pub fn write(&self, job: &Path, existing: Existing) -> Result<(), JobError> {
        write_json(&job.join(MANIFEST), self, existing)
    }

    /// Returns what tells this job from any other.
    pub fn id(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        hex(&Sha256::digest(text))
    }

    /// Checks that the files of the job are the ones that it was planned for.
    ///
    /// # Errors
    /// One has changed or cannot be read.
    pub fn check_files(&self) -> Result<(), JobError> {
        for file in std::iter::once(&self.input).chain(self.mask.files()) {
            let unchanged = file.is_unchanged().map_err(|source| JobError::Read {
                file: file.path.clone(),
                source,
            })?;
            if !unchanged {
                return Err(JobError::Changed(file.path.clone()));
            }
        }
        Ok(())
    }

    /// Returns the properties of the element.
    ///
    /// # Errors
    /// The element of this program lacks one.
    pub fn element_settings(&self) -> Result<ElementSettings, JobError> {
        let mut settings = ElementSettings::default();
        for (name, value) in &self.settings {
            settings
                .set(name, value)
                .map_err(crate::run::RunError::from)?;
        }
        Ok(settings)
    }

    /// Returns how the segments are encoded.
    pub fn encoding(&self) -> Encoding {
        Encoding {
            encoder: Some(self.encoder.clone()),
            quality: self.quality,
            lossless: false,
        }
    }

    /// Returns the container that the segments are joined into.
    ///
    /// # Errors
    /// The manifest names none that this program writes.
    pub fn joined_container(&self) -> Result<Container, JobError> {
        let name = PathBuf::from(format!("clip.{}", self.container));
        Ok(Container::of(&name).map_err(crate::run::RunError::from)?)
    }

    /// Returns a segment; `None` if the job has none of this number.
    ///
    /// # Errors
    /// As [`joined_container`](Self::joined_container).
    pub fn part(&self, number: usize) -> Result<Option<Part>, JobError> {
        let Some(entry) = self.segments.get(number) else {
            return Ok(None);
        };
        Ok(Some(Part {
            segment: propainter::Segment {
                total: self.frames,
                read: entry.read.clone(),
                keep: entry.keep.clone(),
            },
            first: gst::ClockTime::from_nseconds(entry.first),
            key: entry.key.map(gst::ClockTime::from_nseconds),
            container: self.joined_container()?,
        }))
    }
}

/// Returns the file of a segment; [`super::record`] lies beside it.
pub fn segment_file(job: &Path, number: usize) -> PathBuf {
    job.join("segments").join(format!("{number:04}.mkv"))
}

/// Writes a value as indented JSON.
///
/// # Errors
/// The file exists and may not be replaced, or cannot be written.
pub fn write_json(file: &Path, value: &impl Serialize, existing: Existing) -> Result<(), JobError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| JobError::Manifest {
        file: file.to_owned(),
        problem: error.to_string(),
    })?;
    let output = Output::create(file, &[], existing)?;
    fs::write(output.part(), text + "\n").map_err(|source| JobError::Write {
        file: file.to_owned(),
        source,
    })?;
    Ok(output.commit()?)
}
