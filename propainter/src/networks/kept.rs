//! Tensors put away between stages, on their device or on the host.

use burn::tensor::{Device, Tensor, TensorData};
use burn_flex::Flex;

use crate::Error;

/// Where something is put away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    #[default]
    Device,
    /// The host's memory; on the CPU device it is the same.
    Host,
}

/// A tensor that holds its own memory and no more, wherever it lies.
#[derive(Debug)]
pub struct Kept(Inner);

#[derive(Debug)]
enum Inner {
    Device(Box<Tensor<4>>),
    Host(Box<(TensorData, Device)>),
}

impl Kept {
    /// Puts `tensor` away. A view of a larger tensor is copied, so that the rest can go.
    ///
    /// # Errors
    /// [`Error::Compute`] when the device fails before the tensor is read from it.
    pub fn put(tensor: Tensor<4>, place: Place) -> Result<Self, Error> {
        let device = tensor.device();
        if place == Place::Device || device == Device::flex() {
            return Ok(Self(Inner::Device(Box::new(owned(tensor)))));
        }
        let data = tensor.try_into_data().map_err(|error| Error::Compute {
            stage: "reading from the device",
            problem: format!("{error:?}"),
        })?;
        Ok(Self(Inner::Host(Box::new((data, device)))))
    }

    /// Moves it, where it is not there yet.
    ///
    /// # Errors
    /// As [`Kept::put`].
    pub fn move_to(&mut self, place: Place) -> Result<(), Error> {
        if self.place() != place {
            *self = Self::put(self.get(), place)?;
        }
        Ok(())
    }

    fn place(&self) -> Place {
        match &self.0 {
            Inner::Device(_) => Place::Device,
            Inner::Host(..) => Place::Host,
        }
    }

    /// Bytes it takes on the host; on the CPU device all of them.
    pub fn host_bytes(&self) -> u64 {
        let bytes = |elements: usize, size: usize| (elements * size) as u64;
        match &self.0 {
            Inner::Device(tensor) if tensor.device() == Device::flex() => {
                bytes(tensor.shape().num_elements(), tensor.dtype().size())
            }
            Inner::Device(_) => 0,
            Inner::Host(kept) => kept.0.bytes().len() as u64,
        }
    }

    pub fn get(&self) -> Tensor<4> {
        match &self.0 {
            Inner::Device(tensor) => (**tensor).clone(),
            Inner::Host(kept) => {
                let (data, device) = &**kept;
                Tensor::from_data(data.clone(), (device, data.dtype()))
            }
        }
    }
}

/// `tensor` with memory of its own. The CPU device narrows by reference; others copy at once.
pub fn owned<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    let Ok(primitive) = tensor.clone().try_into_primitive::<Flex>() else {
        return tensor;
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
