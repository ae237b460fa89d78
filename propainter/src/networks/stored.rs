//! Tensors that are stored between stages, on their device or on the host.

use burn::tensor::{Device, Tensor, TensorData};
use burn_flex::Flex;

use crate::{
    Error,
    kernels::{concat::cube::copy_on_gpu, device::is_cpu, pools},
};

/// The memory that a tensor is stored in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// The memory of the tensor's device.
    #[default]
    Device,
    /// The memory of the host. On the CPU device it is the same.
    Host,
}

/// A stored tensor. It owns its memory and holds no more than it needs.
#[derive(Debug)]
pub struct StoredTensor(Inner);

#[derive(Debug)]
enum Inner {
    Device(Box<Tensor<4>>),
    Host(Box<(TensorData, Device)>),
}

impl StoredTensor {
    /// Stores `tensor`. A view of a larger tensor is copied, so that the rest can be freed. A tensor
    /// that is stored on a GPU may still be computed: [`settle`] waits for it.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails before the tensor is read from it.
    pub fn put(tensor: Tensor<4>, placement: Placement) -> Result<Self, Error> {
        let device = tensor.device();
        if is_cpu(&device) {
            return Ok(Self(Inner::Device(Box::new(owned(tensor)))));
        }
        if placement == Placement::Device {
            return Ok(Self(Inner::Device(Box::new(owned(tensor)))));
        }
        Ok(Self(Inner::Host(Box::new((read(tensor)?, device)))))
    }

    /// Stores a part of a tensor, of which the other parts are stored too. On a GPU they share the
    /// memory of the whole, which is freed with the last of them.
    ///
    /// # Errors
    /// As [`StoredTensor::put`].
    pub fn put_part(part: Tensor<4>, placement: Placement) -> Result<Self, Error> {
        match placement {
            Placement::Device if !is_cpu(&part.device()) => Ok(Self(Inner::Device(Box::new(part)))),
            _ => Self::put(part, placement),
        }
    }

    /// Moves the tensor to another placement.
    ///
    /// # Errors
    /// As [`StoredTensor::put`].
    pub fn move_to(&mut self, placement: Placement) -> Result<(), Error> {
        if self.placement() != placement {
            *self = Self::put(self.get(), placement)?;
        }
        Ok(())
    }

    fn placement(&self) -> Placement {
        match &self.0 {
            Inner::Device(_) => Placement::Device,
            Inner::Host(..) => Placement::Host,
        }
    }

    /// Returns the bytes that the tensor occupies on the host. On the CPU device these are all its bytes.
    pub fn host_bytes(&self) -> u64 {
        let bytes = |elements: usize, size: usize| (elements * size) as u64;
        match &self.0 {
            Inner::Device(tensor) if is_cpu(&tensor.device()) => {
                bytes(tensor.shape().num_elements(), tensor.dtype().size())
            }
            Inner::Device(_) => 0,
            Inner::Host(stored) => stored.0.bytes().len() as u64,
        }
    }

    /// Returns the tensor on its device.
    pub fn get(&self) -> Tensor<4> {
        match &self.0 {
            Inner::Device(tensor) => (**tensor).clone(),
            Inner::Host(stored) => {
                let (data, device) = &**stored;
                let (bytes, shape, dtype) = data.clone().into_parts();
                // Without rows there is no padding between them, for which a kernel would copy it.
                let data = TensorData::from_bytes(bytes, [shape.num_elements()], dtype);
                Tensor::<1>::from_data(data, (device, dtype)).reshape(shape.dims::<4>())
            }
        }
    }
}

/// Waits until the devices have computed these tensors, as far as they lie on a GPU. A stage calls it
/// once at its end, so that a failure belongs to the stage.
///
/// # Errors
/// [`Error::Compute`] if a device failed.
pub fn settle<'a>(stored: impl IntoIterator<Item = &'a StoredTensor>) -> Result<(), Error> {
    let tensors = stored.into_iter().filter_map(|stored| match &stored.0 {
        Inner::Device(tensor) => Some(&**tensor),
        // Reading it has waited.
        Inner::Host(_) => None,
    });
    settle_tensors(tensors)
}

/// Does the same for tensors that are not stored yet.
///
/// # Errors
/// As [`settle`].
pub fn settle_tensors<'a>(tensors: impl IntoIterator<Item = &'a Tensor<4>>) -> Result<(), Error> {
    pools::settle(tensors).map_err(failed)
}

/// Copies a tensor to memory of the host. The bytes that the tensor library reads from a GPU keep the
/// tensor's memory there for as long as they exist, so they are copied and dropped.
fn read(tensor: Tensor<4>) -> Result<TensorData, Error> {
    let data = tensor.try_into_data().map_err(failed)?;
    let (bytes, shape, dtype) = data.into_parts();
    let copy = bytes.read(Default::default()).map_err(failed)?.to_vec();
    Ok(TensorData::from_bytes_vec(copy, shape, dtype))
}

fn failed(error: impl std::fmt::Debug) -> Error {
    Error::Compute {
        stage: "reading from the device",
        problem: format!("{error:?}"),
    }
}

/// Returns `tensor` with memory of its own. A narrowed tensor shares the memory of the whole.
pub fn owned<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    let Ok(primitive) = tensor.clone().try_into_primitive::<Flex>() else {
        if pools::is_whole(&tensor) {
            return tensor;
        }
        return match copy_on_gpu(&tensor) {
            Some(own) => own,
            None => tensor,
        };
    };
    let used = tensor.shape().num_elements() * tensor.dtype().size();
    if primitive.bytes().len() == used {
        return tensor;
    }
    drop(primitive);
    let device = tensor.device();
    let dtype = tensor.dtype();
    Tensor::from_data(tensor.into_data(), (&device, dtype))
}
