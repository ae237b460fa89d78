//! The tensor library's devices: opening the one that a user chose, and the data types on it.

use std::panic;

use burn::tensor::{DType as TensorDType, Device};

use crate::{
    DType, DeviceChoice, Error,
    device::{
        cuda::PrimaryContext,
        cuda_faults::{DriverError, lost_context},
    },
};

/// Returns whether `device` is the CPU device that our CPU kernels run on.
pub fn is_cpu(device: &Device) -> bool {
    *device == Device::flex()
}

/// Returns whether networks on `device` are made of single operations: on the CPU, and on a device that
/// records operations. Elsewhere they are made of kernels that join operations.
pub fn by_operations(device: &Device) -> bool {
    is_cpu(device) || device.is_autodiff()
}

impl DType {
    /// Returns the tensor library's name of the type.
    pub fn tensor_dtype(self) -> TensorDType {
        match self {
            Self::F32 | Self::Tf32 => TensorDType::F32,
            Self::F16 => TensorDType::F16,
            Self::Bf16 => TensorDType::BF16,
        }
    }

    /// Returns the type that weights of this type have as tensors on `device`. The CPU kernels
    /// read 32 bits, so on the CPU weights are only rounded to the type.
    pub fn weights_on(self, device: &Device) -> TensorDType {
        if is_cpu(device) {
            TensorDType::F32
        } else {
            self.tensor_dtype()
        }
    }
}

impl DeviceChoice {
    /// Opens the device. `auto` takes the first CUDA device if it opens and falls back to the CPU.
    ///
    /// # Errors
    /// [`Error::Device`] if a CUDA device was asked for by name and is absent or does not answer;
    /// [`Error::DeviceLost`] if it has failed in this process and is lost.
    pub fn open(self) -> Result<Device, Error> {
        self.open_and_tell().map(|(device, _)| device)
    }

    /// Opens the device as [`open`](Self::open) does, and returns why `auto` fell back to the CPU
    /// if a CUDA driver is present.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_and_tell(self) -> Result<(Device, Option<String>), Error> {
        match self {
            Self::Cpu => Ok((Device::flex(), None)),
            Self::Cuda(n) => match open_cuda(n) {
                Ok(device) => Ok((device, None)),
                Err(OpenError::Lost(problem)) => Err(Error::DeviceLost { problem }),
                Err(problem) => Err(Error::Device {
                    device: self.to_string(),
                    problem: problem.to_string(),
                }),
            },
            Self::Auto => Ok(match open_cuda(0) {
                Ok(device) => (device, None),
                Err(OpenError::Driver(DriverError::NoDriver)) => (Device::flex(), None),
                Err(problem) => (Device::flex(), Some(problem.to_string())),
            }),
        }
    }
}

/// The reason why a CUDA device did not open.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error(transparent)]
    Driver(#[from] DriverError),
    #[error("the GPU failed before ({0}) and stays lost until this program is restarted")]
    Lost(String),
    #[error("the tensor library could not open the CUDA device; set device=cpu")]
    Open,
    #[error(
        "the CUDA device does not answer ({0}); check that nvidia-smi works, or set device=cpu"
    )]
    Silent(String),
}

/// Opens CUDA device `n`. The tensor library panics where the driver refuses something, so the driver
/// is asked first, and a panic while opening is caught.
fn open_cuda(n: usize) -> Result<Device, OpenError> {
    if let Some(problem) = DeviceChoice::Cuda(n).lost() {
        return Err(OpenError::Lost(problem));
    }
    // Held until the library has the context, so that it is not created twice.
    let context = PrimaryContext::open(n)?;
    let opened = panic::catch_unwind(|| {
        let device = Device::cuda(n);
        device.sync().map(|()| device)
    });
    drop(context);
    let opened = opened.map_err(|_| OpenError::Open)?;
    opened.map_err(|error| {
        let error = format!("{error:?}");
        match lost_context(&error) {
            Some(fault) => {
                DeviceChoice::Cuda(n).mark_lost(fault);
                OpenError::Lost(fault.to_owned())
            }
            None => OpenError::Silent(error.lines().next().unwrap_or_default().to_owned()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cuda_device_beyond_the_last_is_an_error_that_names_it() {
        let error = DeviceChoice::Cuda(4096).open().unwrap_err().to_string();
        assert!(error.contains("cuda:4096"), "{error}");
    }

    #[test]
    fn a_device_that_was_lost_is_not_opened_again() {
        let device = DeviceChoice::Cuda(4095);
        device.mark_lost("CUDA_ERROR_ILLEGAL_ADDRESS");
        device.mark_lost("a later one");
        DeviceChoice::Cpu.mark_lost("nothing");
        let error = device.open().unwrap_err();
        assert!(matches!(&error, Error::DeviceLost { problem } if problem.contains("ADDRESS")));
        assert!(error.to_string().contains("restart"), "{error}");
        assert!(DeviceChoice::Cpu.open().is_ok());
    }

    #[test]
    fn both_names_of_a_type_have_the_same_size() {
        for dtype in [DType::F32, DType::Tf32, DType::F16, DType::Bf16] {
            assert_eq!(dtype.bytes(), dtype.tensor_dtype().size());
        }
    }
}
