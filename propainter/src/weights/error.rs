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
        /// The network whose checkpoint is missing.
        network: Network,
        /// The folders that were searched, in order.
        looked: Vec<PathBuf>,
    },

    /// The file cannot be read.
    #[error("cannot read the checkpoint {}: {source}", file.display())]
    Read {
        /// The path of the file.
        file: PathBuf,
        /// The error of the system.
        source: io::Error,
    },

    /// The file cannot be written.
    #[error("cannot write {}: {source}", file.display())]
    Write {
        /// The path of the file.
        file: PathBuf,
        /// The error of the system or of the encoder.
        source: io::Error,
    },

    /// The file is larger than any checkpoint of its network can be.
    #[error(
        "{} has {bytes} bytes; a checkpoint of this network has at most {limit}: is it \
         another network's?", file.display()
    )]
    TooLarge {
        /// The path of the file.
        file: PathBuf,
        /// The size of the file in bytes.
        bytes: u64,
        /// The largest size accepted in bytes.
        limit: u64,
    },

    /// The file is not a checkpoint, or is damaged.
    #[error(
        "{} is no checkpoint that can be read: {problem}; delete it and run \
         `propainter weights fetch`", file.display()
    )]
    Form {
        /// The path of the file.
        file: PathBuf,
        /// The reason why it cannot be read.
        problem: String,
    },

    /// One tensor is not the one that the network needs.
    #[error("{}: tensor `{key}` {problem}", file.display())]
    Tensor {
        /// The path of the file, or a description of tensors in memory.
        file: PathBuf,
        /// The key of the tensor.
        key: String,
        /// The problem with it.
        problem: TensorProblem,
    },
}

/// The problem with a tensor.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum TensorProblem {
    /// A tensor that the network needs is not in the file.
    #[error(
        "is missing: this is another network's checkpoint or part of one; \
         `propainter weights fetch` gets the official one"
    )]
    Missing,
    /// The network has no tensor of this key.
    #[error(
        "has no place in the {network} network: this is another network's checkpoint; \
         `propainter weights fetch` gets the official one"
    )]
    Surplus {
        /// The name of the network, as [`Network::name`] returns it.
        network: &'static str,
    },
    /// Two tensors have the same key; RAFT's keys are compared without the prefix `module.`.
    #[error("is there twice: remove one from the file")]
    Twice,
    /// The shape differs from that of the network's layout.
    #[error(
        "has the shape {got:?}, the network needs {expected:?}: this is another variant's \
         checkpoint; `propainter weights fetch` gets the official one"
    )]
    Shape {
        /// The shape that the network needs.
        expected: Vec<usize>,
        /// The shape of the tensor.
        got: Vec<usize>,
    },
    /// A tensor in memory has the right shape, but its number of elements differs from it.
    #[error("has {got} elements, its shape needs {expected}")]
    Elements {
        /// The number of elements of the shape.
        expected: usize,
        /// The number of elements given.
        got: usize,
    },
    /// A parameter or statistic is not floating-point, or a count or buffer is not of integers.
    #[error("holds {got} numbers where {expected} are needed: save it with the official types")]
    Kind {
        /// The kind of numbers needed, floating-point or integer.
        expected: &'static str,
        /// The element type of the tensor, as [`ElementType::name`](super::ElementType::name)
        /// returns it.
        got: &'static str,
    },
    /// An element is infinite or not a number.
    #[error(
        "holds {value} at element {index}: the file is damaged; delete it and run \
         `propainter weights fetch`"
    )]
    NotFinite {
        /// The row-major position of the first such element.
        index: usize,
        /// The value of the element.
        value: f32,
    },
    /// An integer differs from the one that the network computes itself, or a count of batches is
    /// negative.
    #[error(
        "holds {value} at element {index}, the network's own index there is {expected}: \
         this is another variant's checkpoint"
    )]
    Buffer {
        /// The row-major position of the first such element.
        index: usize,
        /// The value of the element.
        value: i64,
        /// The value that the network needs there, as text.
        expected: String,
    },
    /// A value would be infinite in a file of half precision.
    #[error("holds {value} at element {index}, too large for fp16: convert with --fp32")]
    TooLargeForHalf {
        /// The row-major position of the first such element.
        index: usize,
        /// The value of the element.
        value: f32,
    },
}

fn places(looked: &[PathBuf]) -> String {
    if looked.is_empty() {
        return "any folder (set PROPAINTER_WEIGHTS or HOME)".to_owned();
    }
    let places: Vec<String> = looked.iter().map(|p| p.display().to_string()).collect();
    places.join(" or ")
}
