//! Tensors put away between stages, on their device or on the host.

use burn::tensor::{Device, Tensor, TensorData};
use burn_flex::Flex;

use crate::{Error, kernels::host};

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
        if host::is_cpu(&device) {
            return Ok(Self(Inner::Device(Box::new(owned(tensor)))));
        }
        if place == Place::Device {
            let tensor = owned(tensor);
            check(&tensor)?;
            return Ok(Self(Inner::Device(Box::new(tensor))));
        }
        let data = tensor.try_into_data().map_err(failed)?;
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
            Inner::Device(tensor) if host::is_cpu(&tensor.device()) => {
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

/// Reads one number. A card tells of a failed allocation or launch only when something that
/// came of it is read; whoever keeps a tensor for later asks before.
///
/// # Errors
/// [`Error::Compute`] when the device failed.
pub fn check(tensor: &Tensor<4>) -> Result<(), Error> {
    let one = tensor.clone().slice([0..1, 0..1, 0..1, 0..1]);
    one.try_into_data().map(drop).map_err(failed)
}

fn failed(error: impl std::fmt::Debug) -> Error {
    Error::Compute {
        stage: "reading from the device",
        problem: format!("{error:?}"),
    }
}

/// `tensor` with memory of its own: narrowing is by reference.
pub fn owned<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    let Ok(primitive) = tensor.clone().try_into_primitive::<Flex>() else {
        // With a second owner the product cannot take its place.
        let shared = tensor.clone();
        let own = tensor.mul_scalar(1.0);
        drop(shared);
        return own;
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
