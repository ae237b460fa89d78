//! Memory of a GPU for the samples of frames, which others write, too.

use std::{
    any::Any,
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use burn::tensor::{DType, Device, Int, Tensor};
use burn_cubecl::Cube;
use cubecl_cuda::CudaRuntime;
use cubecl_runtime::runtime::Runtime;

use super::samples::{DevicePart, sampled};
use crate::{
    Rect,
    frame::device::{DeviceMemory, DeviceStore, Samples},
    kernels::pools::{DeviceStream, dedicated},
};

/// Memory that is not in use, with its size.
type Idle = Mutex<Vec<Owned>>;

/// The memory of a slot.
#[derive(Debug)]
struct Owned {
    tensor: Tensor<1, Int>,
    address: u64,
}

/// Keeps memory for frames on a device. What is dropped is used again.
pub struct Store {
    device: Device,
    stream: DeviceStream,
    idle: Arc<Idle>,
}

impl Store {
    /// Returns a store of a CUDA device, whose networks work in `stream`. Others have no memory for it.
    pub fn new(device: &Device, stream: DeviceStream) -> Self {
        Self {
            device: device.clone(),
            stream,
            idle: Arc::default(),
        }
    }

    /// Allocates memory outside of the pools, which the driver has at once.
    fn allocate(&self, bytes: usize) -> Option<Owned> {
        let empty = || Tensor::<1, Int>::empty([bytes], (&self.device, DType::U8));
        self.stream.enter(|| {
            let tensor = dedicated(&self.device, empty);
            let primitive = tensor.clone().try_into_primitive::<Cube>().ok()?;
            let client = &primitive.client;
            let resource =
                client.get_resource::<<CudaRuntime as Runtime>::Server>(primitive.handle.clone());
            let address = resource.ok()?.resource().ptr;
            Some(Owned { tensor, address })
        })
    }
}

impl DeviceStore for Store {
    fn take(&self, bytes: usize) -> Option<Box<dyn DeviceMemory>> {
        let known = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            // Of another size when the caps have changed.
            idle.retain(|owned| owned.tensor.dims() == [bytes]);
            idle.pop()
        };
        let owned = match known {
            Some(owned) => owned,
            // A device that is lost makes the tensor library panic.
            None => panic::catch_unwind(AssertUnwindSafe(|| self.allocate(bytes))).ok()??,
        };
        Some(Box::new(Slot {
            owned: Some(owned),
            stream: self.stream,
            idle: Arc::downgrade(&self.idle),
        }))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

/// Memory of a [`Store`].
#[derive(Debug)]
pub struct Slot {
    /// Only gone while this is dropped.
    owned: Option<Owned>,
    stream: DeviceStream,
    idle: Weak<Idle>,
}

impl Slot {
    fn owned(&self) -> &Owned {
        self.owned.as_ref().expect("it is not dropped yet")
    }

    /// Returns the memory as a tensor of bytes.
    pub fn tensor(&self) -> &Tensor<1, Int> {
        &self.owned().tensor
    }
}

impl DeviceMemory for Slot {
    fn address(&self) -> u64 {
        self.owned().address
    }

    fn rgb(
        &self,
        samples: &Samples,
        size: [usize; 2],
        part: &Rect,
        step: usize,
    ) -> Result<Vec<u8>, String> {
        let there = DevicePart {
            tensor: self.tensor(),
            samples,
            size,
            part,
        };
        self.stream.enter(|| sampled(&there, step))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for Slot {
    /// Each stage waits for its results, so no work reads this any more.
    fn drop(&mut self) {
        if let (Some(idle), Some(owned)) = (self.idle.upgrade(), self.owned.take()) {
            let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(owned);
        }
    }
}
