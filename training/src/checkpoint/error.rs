//! Errors of the files of a training.

use std::{io, path::PathBuf};

use propainter::weights::WeightsError;
use thiserror::Error;

/// An error of a file of a training. Every message names the file and, if there is one, the key.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Read {
        /// The path of the file.
        file: PathBuf,
        /// The error of the system.
        source: io::Error,
    },

    /// The file cannot be written.
    #[error(
        "cannot write {}: {source}; the checkpoint before it is whole: make room and resume",
        file.display()
    )]
    Write {
        /// The path of the file.
        file: PathBuf,
        /// The error of the system.
        source: io::Error,
    },

    /// The file is damaged, or no file of PyTorch's.
    #[error(
        "{}: {problem}; go on from an earlier step: write its number into latest.ckpt",
        file.display()
    )]
    Damaged {
        /// The path of the file.
        file: PathBuf,
        /// The reason why it cannot be used.
        problem: String,
    },

    /// An entry is not the one that the network needs.
    #[error("{}: `{key}` {problem}: is it a checkpoint of another network?", file.display())]
    Entry {
        /// The path of the file.
        file: PathBuf,
        /// The key of the entry.
        key: String,
        /// The problem with it.
        problem: String,
    },

    /// The file holds another step than its name says.
    #[error(
        "{} holds step {held}, not step {named} as its name says: rename the files of that step or \
         go on from another one", file.display()
    )]
    Step {
        /// The path of the file.
        file: PathBuf,
        /// The step in the name.
        named: u64,
        /// The step in the file.
        held: u64,
    },

    /// The last line of the list of steps is no number.
    #[error("the last line of {} is {line:?}, not the number of a step", file.display())]
    Latest {
        /// The path of the list.
        file: PathBuf,
        /// Its last line.
        line: String,
    },
}

impl From<WeightsError> for CheckpointError {
    /// Takes the reason, as the remedies for published checkpoints do not fit those of a training.
    fn from(error: WeightsError) -> Self {
        match error {
            WeightsError::Read { file, source } => Self::Read { file, source },
            WeightsError::Write { file, source } => Self::Write { file, source },
            WeightsError::Form { file, problem } => Self::Damaged { file, problem },
            WeightsError::TooLarge { file, bytes, limit } => Self::Damaged {
                file,
                problem: format!("it has {bytes} bytes, and such a file at most {limit}"),
            },
            WeightsError::Tensor { file, key, problem } => Self::Entry {
                file,
                key,
                problem: problem.to_string(),
            },
            WeightsError::NotFound { .. } => Self::Damaged {
                file: PathBuf::new(),
                problem: error.to_string(),
            },
        }
    }
}
