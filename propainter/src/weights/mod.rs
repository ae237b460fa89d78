//! The official checkpoints: finding them, reading them, checking them (spec section 1).
//!
//! [`find()`] looks for the three files, [`Checkpoint::read`] reads one of them, whether
//! PyTorch or safetensors wrote it, and lets through exactly the network's own tensors.
//! What a file claims is never believed before the file's own bytes bear it out, and no
//! code in it is run.

mod checkpoint;
mod convert;
mod error;
mod file;
mod find;
mod layout;

pub use checkpoint::{Checkpoint, HostTensor};
pub use convert::{Precision, part_of, write_safetensors};
pub use error::{TensorProblem, WeightsError};
pub use file::{Form, Kind, StateFile};
pub use find::{Paths, find, find_in, search_folders};
pub use layout::{Layout, Role, Slot};

/// The three networks of ProPainter.
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
    pub const ALL: [Network; 3] = [Network::Raft, Network::FlowCompletion, Network::Generator];

    /// The network's name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Network::Raft => "raft",
            Network::FlowCompletion => "flow_completion",
            Network::Generator => "propainter",
        }
    }

    /// The official file's name without its ending.
    pub fn file_stem(self) -> &'static str {
        match self {
            Network::Raft => "raft-things",
            Network::FlowCompletion => "recurrent_flow_completion",
            Network::Generator => "ProPainter",
        }
    }

    /// The file names a checkpoint may have, the preferred one first: the official file
    /// holds every value as trained, a converted one may be rounded.
    pub fn file_names(self) -> [String; 2] {
        ["pth", "safetensors"].map(|ending| format!("{}.{ending}", self.file_stem()))
    }
}
