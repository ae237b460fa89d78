//! What is trained on: clips from videos, from folders of images and from lists, as samples.
//!
//! - [`video`]: decodes a video file; the only file that knows GStreamer
//! - [`images`]: frames that are image files, and how frames are resized
//! - [`cache`]: frames of videos at the training size, on disk
//! - [`clips`]: the clips of a data set
//! - [`list`]: data sets with a list of their videos
//! - [`draws`]: what random numbers are drawn for
//! - [`flow`]: files of precomputed optical flow
//! - [`sample`]: sample k of a run, a pure function of the seed, k and the data set
//! - [`loader`]: threads that have samples ready

pub mod cache;
pub mod clips;
mod draws;
pub mod flow;
pub mod images;
pub mod list;
pub mod loader;
pub mod sample;
pub mod video;

use std::{fmt, io, path::PathBuf, str::FromStr};

use thiserror::Error;

pub use self::{
    cache::Cache,
    clips::{Clip, Clips, Scan},
    flow::{Flow, Flows},
    loader::{Batch, Loader},
    sample::{Holes, Sample, Sampler, SamplerSettings},
};

/// The size that frames are trained at, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// The width, at least 1.
    pub width: usize,
    /// The height, at least 1.
    pub height: usize,
}

impl Size {
    /// Returns the size.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height }
    }

    /// Returns the number of pixels.
    pub fn pixels(self) -> usize {
        self.width * self.height
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Size {
    type Err = String;

    /// Reads a size such as `432x240`. Networks need sides that are multiples of 8.
    fn from_str(text: &str) -> Result<Self, String> {
        let sides = text.split_once(['x', '×']);
        let side = |text: &str| text.parse().ok().filter(|side| (64..=4096).contains(side));
        match sides.map(|(width, height)| (side(width), side(height))) {
            Some((Some(width), Some(height))) if width % 8 == 0 && height % 8 == 0 => {
                Ok(Self { width, height })
            }
            _ => Err(
                "a size is WIDTHxHEIGHT, multiples of 8 from 64 to 4096, such as 432x240".into(),
            ),
        }
    }
}

/// An error of the data.
#[derive(Debug, Error)]
pub enum DataError {
    /// A file or folder cannot be read.
    #[error("{} cannot be read: {source}", file.display())]
    Read {
        /// The file or folder.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("{} cannot be written: {source}", file.display())]
    Write {
        /// The file or folder.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {problem}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No clip is left.
    #[error("{} has no clip of more than {frames} frames{problems}", data.display())]
    Nothing {
        /// The data set.
        data: PathBuf,
        /// The number of frames that a clip must exceed.
        frames: usize,
        /// The first problems, as text that goes on.
        problems: String,
    },
    /// The search for clips was stopped.
    #[error("stopped while videos were read; those that were stay in the cache")]
    Stopped,
    /// The holes cannot be trained with.
    #[error("100 draws in a row gave a hole that is empty or covers the frame; choose other masks")]
    Holes,
}

impl DataError {
    /// Returns the error of a file that cannot be read.
    pub(crate) fn read(file: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let file = file.into();
        move |source| Self::Read { file, source }
    }

    /// Returns the error of a file that cannot be written.
    pub(crate) fn write(file: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let file = file.into();
        move |source| Self::Write { file, source }
    }

    /// Returns the error of a file with other contents than expected.
    pub(crate) fn file(file: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::File {
            file: file.into(),
            problem: problem.into(),
        }
    }
}
