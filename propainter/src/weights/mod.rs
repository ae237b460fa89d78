//! Finds, reads, checks and converts the official checkpoints (spec section 1).
//!
//! [`find()`] looks for the three files. [`Checkpoint::read`] reads one of them, written by PyTorch
//! or as safetensors, and accepts exactly the tensors of its network. No size or count in a file is
//! trusted before the file's own bytes confirm it, and no code in it is run. [`Checkpoint::generated`]
//! makes weights by a rule, for tests and measurements.

mod checkpoint;
mod convert;
mod error;
mod find;
mod formats;
mod generated;
mod layout;
mod source;
mod torchvision;

pub use checkpoint::{Checkpoint, HostTensor};
pub use convert::{FilePrecision, part_of, write_safetensors};
pub use error::{TensorProblem, WeightsError};
pub use find::{Paths, find, find_in, search_folders};
pub use formats::{ElementType, Form, Object, StateFile, read_object};
pub use generated::generated_tensors;
pub use layout::{Layout, Role, Slot};
pub use source::WeightsSource;

/// One of the three networks of ProPainter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// Optical flow.
    Raft,
    /// Recurrent flow completion.
    FlowCompletion,
    /// The inpainting generator.
    Generator,
}

impl Network {
    /// The three networks, in the order in which they run.
    pub const ALL: [Network; 3] = [Network::Raft, Network::FlowCompletion, Network::Generator];

    /// Returns the network's name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Network::Raft => "raft",
            Network::FlowCompletion => "flow_completion",
            Network::Generator => "propainter",
        }
    }

    /// Returns the official file's name without its extension.
    pub fn file_stem(self) -> &'static str {
        match self {
            Network::Raft => "raft-things",
            Network::FlowCompletion => "recurrent_flow_completion",
            Network::Generator => "ProPainter",
        }
    }

    /// Returns the file names that a checkpoint may have, the preferred one first: the official
    /// file holds every value as trained, a converted one may be rounded.
    pub fn file_names(self) -> [String; 2] {
        ["pth", "safetensors"].map(|ending| format!("{}.{ending}", self.file_stem()))
    }
}
