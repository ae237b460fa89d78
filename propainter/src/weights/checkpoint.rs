//! A network's checkpoint, checked to hold exactly the tensors of its layout.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{
    Network, TensorProblem, WeightsError,
    formats::StateFile,
    layout::{Layout, Role, Slot},
};
use crate::DType;

/// A tensor in host memory, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// The shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements; their number is the product of `shape`.
    pub data: Vec<f32>,
}

/// The parameters and running statistics of one network: complete, finite and of the right shapes.
/// Tensors that are only for training, or that the network computes itself, were checked and left
/// out.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    network: Network,
    tensors: HashMap<String, HostTensor>,
    aliases: HashMap<String, String>,
    numbers: DType,
}

impl Checkpoint {
    /// Reads a `.pth` file (PyTorch's zip or its older stream) or a `.safetensors` file. The
    /// contents decide the format, not the name. Takes memory for the file and the network; the
    /// file's is freed on return.
    ///
    /// # Errors
    /// A file that cannot be read, has none of these formats or is damaged; a tensor that is
    /// missing, surplus, misshapen, of the wrong type, or not finite.
    pub fn read(network: Network, path: &Path) -> Result<Self, WeightsError> {
        let layout = Layout::of(network);
        let file = StateFile::read(path, layout.max_file_bytes())?;
        Self::from_state(network, path, &file)
    }

    /// Reads a checkpoint from an open file; `path` is for messages.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_state(
        network: Network,
        path: &Path,
        file: &StateFile,
    ) -> Result<Self, WeightsError> {
        Self::from_state_as(network, path, file, str::to_owned)
    }

    /// Reads a checkpoint whose tensors have the keys that `own_key` makes of those in the file.
    pub(super) fn from_state_as(
        network: Network,
        path: &Path,
        file: &StateFile,
        own_key: impl Fn(&str) -> String,
    ) -> Result<Self, WeightsError> {
        let offers = (0..file.len())
            .map(|index| Offer {
                key: own_key(file.key(index)),
                tensor: Tensor::File(file, index),
            })
            .collect();
        assemble(network, path, offers)
    }

    /// Checks tensors that are in memory already. Integer buffers may be given as whole
    /// floating-point numbers.
    ///
    /// # Errors
    /// As [`read`](Self::read), for the tensors.
    pub fn from_tensors(
        network: Network,
        tensors: impl IntoIterator<Item = (String, HostTensor)>,
    ) -> Result<Self, WeightsError> {
        let name = PathBuf::from(format!("the {} tensors in memory", network.name()));
        let offers = tensors
            .into_iter()
            .map(|(key, tensor)| Offer {
                key,
                tensor: Tensor::Host(tensor),
            })
            .collect();
        assemble(network, &name, offers)
    }

    /// Returns the network that the checkpoint belongs to.
    pub fn network(&self) -> Network {
        self.network
    }

    /// Returns the checkpoint with every value rounded to the type `numbers`. A network built from
    /// it stores its weights in that type.
    pub fn at(mut self, numbers: DType) -> Self {
        self.numbers = numbers;
        if numbers != DType::F32 {
            let values = self.tensors.values_mut();
            for value in values.flat_map(|tensor| &mut tensor.data) {
                *value = numbers.round(*value);
            }
        }
        self
    }

    /// Returns the type that the values were rounded to.
    pub fn numbers(&self) -> DType {
        self.numbers
    }

    /// Returns whether no value exceeds the largest one of the type `numbers`.
    pub fn fits(&self, numbers: DType) -> bool {
        let most = numbers.max();
        let mut values = self.tensors.values().flat_map(|tensor| &tensor.data);
        values.all(|value| value.abs() <= most)
    }

    /// Returns the tensor under `key`, without the prefix `module.`. RAFT's `norm3` is found as
    /// well as `downsample.1`.
    ///
    /// # Panics
    /// If the network's layout has no such parameter or statistic.
    pub fn get(&self, key: &str) -> &HostTensor {
        let key = self.aliases.get(key).map_or(key, String::as_str);
        match self.tensors.get(key) {
            Some(tensor) => tensor,
            None => panic!("the {} network has no tensor `{key}`", self.network.name()),
        }
    }

    /// Returns every tensor with its key, without aliases, sorted by key.
    pub fn tensors(&self) -> Vec<(&str, &HostTensor)> {
        let mut tensors: Vec<_> = self.tensors.iter().map(|(k, t)| (k.as_str(), t)).collect();
        tensors.sort_by_key(|(key, _)| *key);
        tensors
    }
}

/// A tensor that a file or a caller offers under a key.
struct Offer<'a> {
    key: String,
    tensor: Tensor<'a>,
}

enum Tensor<'a> {
    Host(HostTensor),
    File(&'a StateFile, usize),
}

impl Tensor<'_> {
    fn shape(&self) -> &[usize] {
        match self {
            Tensor::Host(tensor) => &tensor.shape,
            Tensor::File(file, index) => file.shape(*index),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Tensor::Host(_) => "fp32",
            Tensor::File(file, index) => file.kind(*index).name(),
        }
    }

    fn floats(self) -> Option<Vec<f32>> {
        match self {
            Tensor::Host(tensor) => Some(tensor.data),
            Tensor::File(file, index) => file.floats(index),
        }
    }

    fn integers(&self) -> Option<Vec<i64>> {
        match self {
            Tensor::Host(tensor) => {
                let whole = |&x: &f32| (x.fract() == 0.0).then_some(x as i64);
                tensor.data.iter().map(whole).collect()
            }
            Tensor::File(file, index) => file.integers(*index),
        }
    }
}

/// Assigns offers to the slots of the network. Keys and shapes are checked first, so that no
/// tensor's elements are read before every tensor has its slot.
fn assemble(
    network: Network,
    file: &Path,
    offers: Vec<Offer<'_>>,
) -> Result<Checkpoint, WeightsError> {
    let layout = Layout::of(network);
    let failed = |key: &str, problem| WeightsError::Tensor {
        file: file.to_owned(),
        key: key.to_owned(),
        problem,
    };
    let places: HashMap<&str, usize> = layout
        .slots
        .iter()
        .enumerate()
        .map(|(place, slot)| (slot.key.as_str(), place))
        .collect();
    let mut taken: Vec<Option<Tensor<'_>>> = layout.slots.iter().map(|_| None).collect();
    for Offer { key, tensor } in offers {
        let Some(&place) = places.get(own_key(network, &key)) else {
            let network = network.name();
            return Err(failed(&key, TensorProblem::Surplus { network }));
        };
        check_shape(&layout.slots[place], &tensor).map_err(|problem| failed(&key, problem))?;
        if taken[place].replace(tensor).is_some() {
            return Err(failed(&key, TensorProblem::Twice));
        }
    }
    let mut tensors = HashMap::new();
    let mut aliases = HashMap::new();
    for (place, slot) in layout.slots.iter().enumerate() {
        if let Role::Alias(target) = &slot.role {
            aliases.insert(slot.key.clone(), target.clone());
            // The target wins where both are present, but both must be valid.
            if let Some(&target) = places.get(target.as_str())
                && taken[target].is_none()
            {
                taken[target] = taken[place].take();
            }
        }
    }
    let needed = |slot: &Slot| matches!(slot.role, Role::Parameter | Role::Statistic);
    let missing = layout.slots.iter().zip(&taken);
    if let Some((slot, _)) = { missing }.find(|(slot, tensor)| needed(slot) && tensor.is_none()) {
        return Err(failed(&slot.key, TensorProblem::Missing));
    }
    for (slot, tensor) in layout.slots.iter().zip(taken) {
        let Some(tensor) = tensor else { continue };
        let data = check_values(slot, tensor).map_err(|problem| failed(&slot.key, problem))?;
        if let Some(data) = data.filter(|_| needed(slot)) {
            let shape = slot.shape.clone();
            tensors.insert(slot.key.clone(), HostTensor { shape, data });
        }
    }
    Ok(Checkpoint {
        network,
        tensors,
        aliases,
        numbers: DType::F32,
    })
}

/// Returns the key without the prefix that PyTorch's data-parallel wrapper adds to RAFT's keys.
fn own_key(network: Network, key: &str) -> &str {
    match network {
        Network::Raft => key.strip_prefix("module.").unwrap_or(key),
        Network::FlowCompletion | Network::Generator => key,
    }
}

fn check_shape(slot: &Slot, tensor: &Tensor<'_>) -> Result<(), TensorProblem> {
    if tensor.shape() != slot.shape {
        return Err(TensorProblem::Shape {
            expected: slot.shape.clone(),
            got: tensor.shape().to_vec(),
        });
    }
    match tensor {
        Tensor::Host(host) if host.data.len() != slot.elements() => Err(TensorProblem::Elements {
            expected: slot.elements(),
            got: host.data.len(),
        }),
        _ => Ok(()),
    }
}

/// Returns the tensor's values, if it is floating-point.
fn check_values(slot: &Slot, tensor: Tensor<'_>) -> Result<Option<Vec<f32>>, TensorProblem> {
    let kind = tensor.kind();
    let wrong_kind = |expected| TensorProblem::Kind {
        expected,
        got: kind,
    };
    let buffer = match &slot.role {
        Role::Counter => None,
        Role::Buffer(values) => Some(values),
        _ => {
            let data = tensor
                .floats()
                .ok_or_else(|| wrong_kind("floating-point"))?;
            return match data.iter().position(|value| !value.is_finite()) {
                Some(index) => Err(TensorProblem::NotFinite {
                    index,
                    value: data[index],
                }),
                None => Ok(Some(data)),
            };
        }
    };
    let got = tensor.integers().ok_or_else(|| wrong_kind("integer"))?;
    for (index, &value) in got.iter().enumerate() {
        let expected = match buffer {
            Some(values) if values[index] != value => values[index].to_string(),
            None if value < 0 => "a count".to_owned(),
            _ => continue,
        };
        return Err(TensorProblem::Buffer {
            index,
            value,
            expected,
        });
    }
    Ok(None)
}

#[cfg(test)]
impl Checkpoint {
    /// Returns a checkpoint of flow completion with `value` everywhere.
    pub(crate) fn filled(value: f32) -> Self {
        let slots = Layout::of(Network::FlowCompletion).slots;
        let tensors = slots.into_iter().map(|slot| {
            let data = vec![value; slot.elements()];
            let shape = slot.shape;
            (slot.key, HostTensor { shape, data })
        });
        Self::from_tensors(Network::FlowCompletion, tensors).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fit_up_to_the_largest_number() {
        let fits = |value: f32| {
            let mut checkpoint = Checkpoint::filled(0.0);
            let tensor = checkpoint.tensors.get_mut("upsample.2.conv.bias");
            tensor.unwrap().data[1] = value;
            [DType::F16, DType::Bf16, DType::F32].map(|numbers| checkpoint.fits(numbers))
        };
        assert_eq!(fits(65504.0), [true; 3]);
        assert_eq!(fits(-65505.0), [false, true, true]);
        assert_eq!(fits(f32::MAX), [false, false, true]);
        assert_eq!(fits(f32::NEG_INFINITY), [false; 3]);
        assert_eq!(fits(f32::NAN), [false; 3]);
    }

    #[test]
    fn a_rounded_checkpoint_remembers_to_what() {
        let full = Checkpoint::filled(0.1);
        assert_eq!(full.numbers(), DType::F32);
        for (numbers, value) in [
            (DType::F32, 0.1),
            (DType::F16, 0.099_975_586),
            (DType::Bf16, 0.100_097_656),
        ] {
            let rounded = full.clone().at(numbers);
            assert_eq!(rounded.numbers(), numbers);
            for (key, tensor) in rounded.tensors() {
                assert_eq!(tensor.shape, full.get(key).shape);
                assert!(tensor.data.iter().all(|&v| v == value), "{numbers:?} {key}");
            }
        }
    }
}
