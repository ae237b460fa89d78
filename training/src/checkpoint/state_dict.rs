//! State dicts of the trained networks.

use std::{collections::HashMap, path::Path};

use propainter::weights::{
    Checkpoint, FilePrecision, HostTensor, Layout, Network, Role, StateFile,
};

use super::{
    CheckpointError, StateDict,
    pickle::{Elements, Item, text},
    torch_file,
};
use crate::discriminator;

/// One entry of a state dict.
struct Entry {
    key: String,
    shape: Vec<usize>,
    /// The elements of a buffer of integers, which are always the same.
    integers: Option<Vec<i64>>,
}

fn entries(network: Network) -> impl Iterator<Item = Entry> {
    let slots = Layout::of(network).slots.into_iter();
    slots.map(|slot| Entry {
        key: slot.key,
        shape: slot.shape,
        integers: match slot.role {
            Role::Buffer(integers) => Some(integers),
            _ => None,
        },
    })
}

fn discriminator_entries() -> impl Iterator<Item = Entry> {
    discriminator::slots().map(|(key, shape)| Entry {
        key,
        shape,
        integers: None,
    })
}

/// Returns the keys of the parameters of a network, in order.
pub(super) fn parameters(network: Network) -> impl Iterator<Item = String> {
    let parameters = entries(network).filter(|entry| entry.integers.is_none());
    parameters.map(|entry| entry.key)
}

/// Reads the state dict of a network, with tensors that only training needs, in its order.
///
/// # Errors
/// A file that cannot be read, is damaged or belongs to another network; a value that is not finite.
pub fn read_network(path: &Path, network: Network) -> Result<StateDict, CheckpointError> {
    read(path, entries(network).collect())
}

/// Reads the state dict of a discriminator, in its order.
///
/// # Errors
/// As [`read_network`].
pub fn read_discriminator(path: &Path) -> Result<StateDict, CheckpointError> {
    read(path, discriminator_entries().collect())
}

/// Writes the state dict of a network, with its buffers of integers.
pub(super) fn write(
    path: &Path,
    network: Network,
    tensors: &StateDict,
) -> Result<(), CheckpointError> {
    write_entries(path, &entries(network).collect::<Vec<_>>(), tensors)
}

/// Writes the state dict of a discriminator.
pub(super) fn write_discriminator(path: &Path, tensors: &StateDict) -> Result<(), CheckpointError> {
    write_entries(path, &discriminator_entries().collect::<Vec<_>>(), tensors)
}

/// Writes the parameters of a network that the element needs, as safetensors in `precision`.
///
/// # Errors
/// A tensor that is not the network's or does not fit the precision; a file that cannot be written.
pub fn write_safetensors(
    path: &Path,
    network: Network,
    tensors: StateDict,
    precision: FilePrecision,
) -> Result<(), CheckpointError> {
    let checkpoint = Checkpoint::from_tensors(network, tensors)?;
    Ok(propainter::weights::write_safetensors(
        &checkpoint,
        path,
        precision,
    )?)
}

fn write_entries(
    path: &Path,
    entries: &[Entry],
    tensors: &StateDict,
) -> Result<(), CheckpointError> {
    let by_key: HashMap<&str, &HostTensor> = tensors
        .iter()
        .map(|(key, tensor)| (key.as_str(), tensor))
        .collect();
    let items = entries.iter().map(|entry| {
        let data = match (&entry.integers, by_key.get(entry.key.as_str())) {
            (Some(integers), _) => Elements::Integers(integers),
            (None, Some(tensor)) => Elements::Floats(&tensor.data),
            (None, None) => panic!("the state dict lacks `{}`", entry.key),
        };
        let shape = &entry.shape;
        let elements: usize = shape.iter().product();
        assert_eq!(data.len(), elements, "elements of `{}`", entry.key);
        (text(&*entry.key), Item::Tensor { shape, data })
    });
    torch_file::write(path, &Item::OrderedDict(items.collect()))
}

fn read(path: &Path, entries: Vec<Entry>) -> Result<StateDict, CheckpointError> {
    let elements = |entry: &Entry| entry.shape.iter().product::<usize>();
    let elements: usize = entries.iter().map(elements).sum();
    let file = StateFile::read(path, elements as u64 * 8 + (16 << 20))?;
    let failed = |key: &str, problem: String| CheckpointError::Entry {
        file: path.to_owned(),
        key: key.to_owned(),
        problem,
    };
    let known: HashMap<&str, &Entry> = entries
        .iter()
        .map(|entry| (entry.key.as_str(), entry))
        .collect();
    let mut places = HashMap::new();
    for index in 0..file.len() {
        let key = file.key(index);
        let Some(entry) = known.get(key) else {
            return Err(failed(key, "is no tensor of this network".to_owned()));
        };
        if file.shape(index) != entry.shape {
            let (got, wanted) = (file.shape(index), &entry.shape);
            return Err(failed(
                key,
                format!("has the shape {got:?}, not {wanted:?}"),
            ));
        }
        if places.insert(entry.key.as_str(), index).is_some() {
            return Err(failed(key, "is there twice".to_owned()));
        }
    }
    let missing = |entry: &&Entry| !places.contains_key(entry.key.as_str());
    if let Some(entry) = entries.iter().find(missing) {
        return Err(failed(&entry.key, "is missing".to_owned()));
    }
    let mut tensors = Vec::with_capacity(entries.len());
    for entry in &entries {
        let index = places[entry.key.as_str()];
        if let Some(integers) = &entry.integers {
            if file.integers(index).as_ref() != Some(integers) {
                return Err(failed(&entry.key, "holds other indices".to_owned()));
            }
            continue;
        }
        let Some(data) = file.floats(index) else {
            return Err(failed(&entry.key, "holds integers".to_owned()));
        };
        if let Some(at) = data.iter().position(|value| !value.is_finite()) {
            let problem = format!("holds {} at element {at}", data[at]);
            return Err(failed(&entry.key, problem));
        }
        let shape = entry.shape.clone();
        tensors.push((entry.key.clone(), HostTensor { shape, data }));
    }
    Ok(tensors)
}
