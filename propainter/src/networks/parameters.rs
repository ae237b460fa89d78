//! The source of a network's parameters: a checkpoint, or the tensors that training changes.

use burn::tensor::{Device, Tensor, TensorData};

use crate::{DType, weights::Checkpoint};

/// A source of parameters by state-dict key.
pub trait ParameterSource {
    /// Returns the shape of the parameter `key`.
    ///
    /// # Panics
    /// Panics if the network has no such parameter.
    fn shape(&self, key: &str) -> &[usize];

    /// Returns the elements of the parameter `key`, row by row.
    ///
    /// # Panics
    /// Panics if the network has no such parameter.
    fn values(&self, key: &str) -> Values<'_>;

    /// Returns the data type of the parameters and of products with them.
    fn numbers(&self) -> DType;
}

/// The elements of a parameter, row by row.
pub enum Values<'a> {
    /// In host memory.
    Host(&'a [f32]),
    /// As a tensor in 32 bits, which may record operations.
    Tensor(Box<Tensor<1>>),
}

impl ParameterSource for Checkpoint {
    fn shape(&self, key: &str) -> &[usize] {
        &self.get(key).shape
    }

    fn values(&self, key: &str) -> Values<'_> {
        Values::Host(&self.get(key).data)
    }

    fn numbers(&self) -> DType {
        self.numbers()
    }
}

/// Returns the parameter `key` on `device`, in the source's data type ([`DType::weights_on`]).
///
/// [`DType::weights_on`]: crate::DType::weights_on
///
/// # Panics
/// Panics if `key` is not in the network's layout, or has another rank there. A source holds exactly
/// the layout of its network.
pub fn parameter<const D: usize>(
    source: &dyn ParameterSource,
    key: &str,
    device: &Device,
) -> Tensor<D> {
    let shape = source.shape(key).try_into().expect("a tensor of this rank");
    reshaped(source, key, shape, device)
}

/// Returns the same as [`parameter`], with another shape.
pub fn reshaped<const D: usize>(
    source: &dyn ParameterSource,
    key: &str,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    match source.values(key) {
        Values::Host(values) => {
            let data = TensorData::new(values.to_vec(), shape);
            Tensor::from_data(data, (device, source.numbers().weights_on(device)))
        }
        Values::Tensor(values) => values.reshape(shape),
    }
}
