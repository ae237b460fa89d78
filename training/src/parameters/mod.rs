//! The parameters of a network while it is trained, and their gradients.

mod gradients;

use std::collections::HashMap;

use burn::tensor::{Device, Tensor, TensorData};
use propainter::weights::HostTensor;

pub use gradients::{Gradients, Recorded};

/// One tensor of a network, on the device.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The key in the state dict.
    pub key: String,
    /// The shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements in row-major order, in `f32`.
    pub values: Tensor<1>,
}

/// The tensors of a network in the order of its state dict. Operations on them are not recorded;
/// [`record`](Self::record) gives tensors whose operations are.
#[derive(Clone, Debug)]
pub struct Parameters {
    list: Vec<Parameter>,
    places: HashMap<String, usize>,
}

impl Parameters {
    /// Copies tensors of the host to `device`, which need not record.
    pub fn new(tensors: impl IntoIterator<Item = (String, HostTensor)>, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        let parameter = |(key, tensor): (String, HostTensor)| Parameter {
            key,
            values: Tensor::from_data(TensorData::new(tensor.data, [len(&tensor.shape)]), &device),
            shape: tensor.shape,
        };
        let list: Vec<_> = tensors.into_iter().map(parameter).collect();
        let key = |(place, parameter): (usize, &Parameter)| (parameter.key.clone(), place);
        let places = list.iter().enumerate().map(key).collect();
        Self { list, places }
    }

    /// Copies the tensors to the host, in order.
    pub fn to_host(&self) -> Vec<(String, HostTensor)> {
        let host = |parameter: &Parameter| {
            let data = host_values(&parameter.values);
            let shape = parameter.shape.clone();
            (parameter.key.clone(), HostTensor { shape, data })
        };
        self.list.iter().map(host).collect()
    }

    /// Returns the tensors in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Parameter> {
        self.list.iter()
    }

    /// Returns the tensors in order; their values may be replaced by others of the same number.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = &mut Parameter> {
        self.list.iter_mut()
    }

    /// Returns the tensor `key`, if there is one.
    pub fn find(&self, key: &str) -> Option<&Parameter> {
        self.places.get(key).map(|&place| &self.list[place])
    }

    /// Returns the values of `key` in its shape.
    ///
    /// # Panics
    /// If there is no such tensor, or it has another rank.
    pub fn get<const D: usize>(&self, key: &str) -> Tensor<D> {
        match self.find(key) {
            Some(parameter) => shaped(&parameter.values, &parameter.shape, key),
            None => panic!("the network has no parameter `{key}`"),
        }
    }

    /// Returns tensors of the same values, in the same memory, whose operations are recorded.
    /// Gradients are kept for those of which `trained` says so; the others are constants.
    pub fn record(&self, trained: impl Fn(&str) -> bool) -> Recorded {
        Recorded::new(&self.list, trained)
    }
}

/// Returns `values` in a shape of D dimensions.
fn shaped<const D: usize>(values: &Tensor<1>, shape: &[usize], key: &str) -> Tensor<D> {
    match <[usize; D]>::try_from(shape) {
        Ok(shape) => values.clone().reshape(shape),
        Err(_) => panic!("parameter `{key}` has the shape {shape:?}, not {D} dimensions"),
    }
}

/// Copies a row of numbers to the host.
///
/// # Panics
/// If the device fails.
pub(crate) fn host_values(values: &Tensor<1>) -> Vec<f32> {
    let data = values.clone().into_data();
    data.try_into_vec().expect("a tensor of f32")
}

fn len(shape: &[usize]) -> usize {
    shape.iter().product()
}
