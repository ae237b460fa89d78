//! The parameters of a network in the order of its state dict.

use std::{collections::HashMap, path::PathBuf};

use burn::tensor::Device;
use propainter::weights::{
    Checkpoint, HostTensor, Layout, Network, Role, TensorProblem, WeightsError,
};

use crate::parameters::Parameters;

/// Copies the trained parameters among `tensors` to `device`, in the order of the state dict, without
/// buffers and statistics.
///
/// # Errors
/// A tensor that is missing, surplus, misshapen or not finite.
pub fn state(
    network: Network,
    tensors: Vec<(String, HostTensor)>,
    device: &Device,
) -> Result<Parameters, WeightsError> {
    // Checks keys, shapes and values.
    Checkpoint::from_tensors(network, tensors.iter().cloned())?;
    let mut tensors: HashMap<String, HostTensor> = tensors.into_iter().collect();
    let trained = trained(network).map(|(key, _)| match tensors.remove(&key) {
        Some(tensor) => Ok((key, tensor)),
        None => Err(WeightsError::Tensor {
            file: PathBuf::from(format!("the {} tensors in memory", network.name())),
            key,
            problem: TensorProblem::Missing,
        }),
    });
    let trained: Result<Vec<_>, WeightsError> = trained.collect();
    Ok(Parameters::new(trained?, device))
}

/// Returns keys and shapes of the trained parameters of a network, in the order of the state dict.
pub(super) fn trained(network: Network) -> impl Iterator<Item = (String, Vec<usize>)> {
    let slots = Layout::of(network).slots.into_iter();
    let slots = slots.filter(|slot| matches!(slot.role, Role::Parameter | Role::TrainingOnly));
    slots.map(|slot| (slot.key, slot.shape))
}
