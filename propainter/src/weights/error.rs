//! Errors of checkpoints.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::Network;

/// An error of a checkpoint. Every message names the file, the tensor if there is one, and a
/// remedy.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// No folder that is searched holds the checkpoint.
    #[error(
        "no checkpoint of the {} network: neither {} nor {} is in {}; \
         `propainter weights fetch` downloads it",
        network.name(), network.file_names()[0], network.file_names()[1], places(looked)
    )]
    NotFound {
        network: Network,
        looked: Vec<PathBuf>,
    },

    /// The file cannot be read.
    #[error("cannot read the checkpoint {}: {source}", file.display())]
    Read { file: PathBuf, source: io::Error },

    /// The file cannot be written.
    #[error("cannot write {}: {source}", file.display())]
    Write { file: PathBuf, source: io::Error },

    /// The file is larger than any checkpoint of its network can be.
    #[error(
        "{} has {bytes} bytes; a checkpoint of this network has at most {limit}: is it \
         another network's?", file.display()
    )]
    TooLarge {
        file: PathBuf,
        bytes: u64,
        limit: u64,
    },

    /// The file is not a checkpoint, or is damaged.
    #[error(
        "{} is no checkpoint that can be read: {problem}; delete it and run \
         `propainter weights fetch`", file.display()
    )]
    Form { file: PathBuf, problem: String },

    /// One tensor is not the one that the network needs.
    #[error("{}: tensor `{key}` {problem}", file.display())]
    Tensor {
        file: PathBuf,
        key: String,
        problem: TensorProblem,
    },
}

/// The problem with a tensor.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum TensorProblem {
    #[error(
        "is missing: this is another network's checkpoint or part of one; \
         `propainter weights fetch` gets the official one"
    )]
    Missing,
    #[error(
        "has no place in the {network} network: this is another network's checkpoint; \
         `propainter weights fetch` gets the official one"
    )]
    Surplus { network: &'static str },
    #[error("is there twice: remove one from the file")]
    Twice,
    #[error(
        "has the shape {got:?}, the network needs {expected:?}: this is another variant's \
         checkpoint; `propainter weights fetch` gets the official one"
    )]
    Shape {
        expected: Vec<usize>,
        got: Vec<usize>,
    },
    #[error("has {got} elements, its shape needs {expected}")]
    Elements { expected: usize, got: usize },
    #[error("holds {got} numbers where {expected} are needed: save it with the official types")]
    Kind {
        expected: &'static str,
        got: &'static str,
    },
    #[error(
        "holds {value} at element {index}: the file is damaged; delete it and run \
         `propainter weights fetch`"
    )]
    NotFinite { index: usize, value: f32 },
    #[error(
        "holds {value} at element {index}, the network's own index there is {expected}: \
         this is another variant's checkpoint"
    )]
    Buffer {
        index: usize,
        value: i64,
        expected: String,
    },
    #[error("holds {value} at element {index}, too large for fp16: convert with --fp32")]
    TooLargeForHalf { index: usize, value: f32 },
}

fn places(looked: &[PathBuf]) -> String {
    if looked.is_empty() {
        return "any folder (set PROPAINTER_WEIGHTS or HOME)".to_owned();
    }
    let places: Vec<String> = looked.iter().map(|p| p.display().to_string()).collect();
    places.join(" or ")
}
