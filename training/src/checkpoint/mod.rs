//! The files that a training goes on from, as the official training writes them (spec: training,
//! section 7).
//!
//! A folder has for each saved step `gen_NNNNNN.pth` with the state dict of the trained network, for
//! the generator also `dis_NNNNNN.pth`, and `opt_NNNNNN.pth` with optimisers and schedules; the last
//! line of `latest.ckpt` is the step to go on from. Files appear whole or not at all, `latest.ckpt`
//! after all others, so whatever interrupts [`write()`], the step before is there.

mod error;
mod files;
mod optimizer_file;
mod pickle;
mod state_dict;
mod torch_file;

use std::{collections::BTreeMap, path::Path};

use propainter::weights::{HostTensor, Network};

pub use error::CheckpointError;
pub use files::{Kind, latest, path, set_latest};
pub use optimizer_file::{OptimizerRecord, Progress};
pub use state_dict::{read_discriminator, read_network, write_safetensors};

/// The tensors of a state dict in its order, without integer buffers.
pub type StateDict = Vec<(String, HostTensor)>;

/// Everything that a training goes on from.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// The trained network's parameters, [`parameters`] of them.
    pub network: StateDict,
    /// The discriminator, where the generator is trained.
    pub discriminator: Option<StateDict>,
    /// How far the training is.
    pub progress: Progress,
}

/// Returns the keys of the parameters of a network in the order of its state dict, which numbers
/// them in the state of an optimiser. Flow completion has those of its edge head.
pub fn parameters(network: Network) -> Vec<String> {
    state_dict::parameters(network).collect()
}

/// Writes a step into `folder`, which exists, and makes it the latest.
///
/// # Errors
/// A file that cannot be written; then the step that was the latest still is.
///
/// # Panics
/// If the tensors are not those of the network.
pub fn write(folder: &Path, network: Network, saved: &Saved) -> Result<(), CheckpointError> {
    let step = saved.progress.iteration;
    let file = |kind| path(folder, kind, step);
    state_dict::write(&file(Kind::Network), network, &saved.network)?;
    if let Some(discriminator) = &saved.discriminator {
        state_dict::write_discriminator(&file(Kind::Discriminator), discriminator)?;
    }
    optimizer_file::write(&file(Kind::Optimizer), network, &saved.progress)?;
    set_latest(folder, step)
}

/// Reads the latest step of `folder`; `None` if there is none.
///
/// # Errors
/// A file that is missing, damaged or of another network, or holds another step than its name says.
pub fn read_latest(folder: &Path, network: Network) -> Result<Option<Saved>, CheckpointError> {
    match latest(folder)? {
        Some(step) => read(folder, network, step).map(Some),
        None => Ok(None),
    }
}

/// Reads a step of `folder`.
///
/// # Errors
/// As [`read_latest`].
pub fn read(folder: &Path, network: Network, step: u64) -> Result<Saved, CheckpointError> {
    let file = |kind| path(folder, kind, step);
    let opt = file(Kind::Optimizer);
    let progress = optimizer_file::read(&opt, network)?;
    if progress.iteration != step {
        return Err(CheckpointError::Step {
            file: opt,
            named: step,
            held: progress.iteration,
        });
    }
    let discriminator = match network {
        Network::Generator => Some(read_discriminator(&file(Kind::Discriminator))?),
        Network::FlowCompletion | Network::Raft => None,
    };
    Ok(Saved {
        network: read_network(&file(Kind::Network), network)?,
        discriminator,
        progress,
    })
}

/// Values by the key of their parameter, each in row-major order.
type ByKey = BTreeMap<String, Vec<f32>>;
