//! A run of a training: its folder, its steps, its progress.
//!
//! - [`trainer`]: what a training is to a run
//! - [`folder`]: the folder of a run, which one process at a time may use
//! - [`steps`]: the steps of a run, from its latest checkpoint on
//! - [`progress`]: how far a run is, and who is told
//! - [`log`]: one line of JSON for each entry of the log
//! - [`events`]: files for TensorBoard
//! - [`curves`]: the log as a picture
//! - [`pictures`]: masked, filled and true frames side by side
//! - [`measures`]: PSNR and SSIM

pub mod curves;
pub mod events;
pub mod folder;
pub mod log;
pub mod measures;
pub mod pictures;
pub mod progress;
pub mod steps;
pub mod trainer;

use std::{
    error::Error,
    io::{self, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{checkpoint::CheckpointError, data::DataError, files};

pub use self::{
    folder::RunFolder,
    progress::{Observer, Progress, Report},
    steps::{Ended, Run, Schedule, Summary},
    trainer::{Evaluation, Losses, Step, Trainer},
};

/// An error that ends a run. Its latest checkpoint is whole.
#[derive(Debug, Error)]
pub enum RunError {
    /// A file or folder cannot be read.
    #[error("{} cannot be read: {source}", file.display())]
    Read {
        /// The file or folder.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file system is full.
    #[error(
        "{} cannot be written: the file system is full. The latest checkpoint is whole: free some space \
         and resume the run", .0.display()
    )]
    NoSpace(PathBuf),
    /// A file or folder cannot be written.
    #[error("{} cannot be written: {source}", file.display())]
    Write {
        /// The file or folder.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process uses the folder.
    #[error("{} is in use by another process: stop that one, or name another folder", .0.display())]
    InUse(PathBuf),
    /// A new run would be mixed with an old one.
    #[error("{} has a run already: resume it, or name another folder", .0.display())]
    Exists(PathBuf),
    /// A new run would be mixed with other files.
    #[error("{} is not empty: name another folder", .0.display())]
    NotEmpty(PathBuf),
    /// There is no run to resume.
    #[error("{} has no run: it lacks settings.json", .0.display())]
    NoRun(PathBuf),
    /// A file of the run is not what it should be.
    #[error("{}: {problem}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The list of checkpoints is not what it should be.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The data fails.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The training fails.
    #[error("{0}")]
    Training(#[source] Box<dyn Error + Send + Sync>),
    /// Too many steps in a row could not be made.
    #[error(
        "{count} steps in a row were skipped, the last one because {reason}; the latest checkpoint is \
         whole: resume from it with a lower learning rate or in fp32"
    )]
    Skipped {
        /// Number of steps.
        count: u32,
        /// Why the last one was.
        reason: String,
    },
}

impl RunError {
    /// Returns the error of a file that cannot be read.
    pub(crate) fn read(file: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let file = file.into();
        move |source| Self::Read { file, source }
    }

    /// Returns the error of a file that cannot be written.
    pub(crate) fn write(file: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let file = file.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull => Self::NoSpace(file),
            _ => Self::Write { file, source },
        }
    }
}

/// Writes a file, which appears complete or not at all.
fn write(file: &Path, bytes: &[u8]) -> Result<(), RunError> {
    files::replace(file, |part| part.write_all(bytes)).map_err(RunError::write(file))
}
