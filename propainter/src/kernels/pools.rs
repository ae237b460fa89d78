//! The memory pools of the tensor library on a CubeCL device, and the wait for its results.

use std::panic::{self, AssertUnwindSafe};

use burn::tensor::{Device, Tensor};
use burn_cubecl::{
    Cube,
    cubecl::{MemoryScope, client::Client, future::block_on, server::ServerError},
};

use super::device::is_cpu;

/// The pools of a CubeCL device. Every allocation on the device comes from them.
#[derive(Clone)]
pub struct Pools(Client);

impl Pools {
    /// Returns the pools of `device`; `None` on the CPU device.
    pub fn of(device: &Device) -> Option<Self> {
        if is_cpu(device) {
            return None;
        }
        let probe = Tensor::<1>::empty([1], device);
        let probe = probe.try_into_primitive::<Cube>().ok()?;
        Some(Self(probe.client))
    }

    /// Returns the bytes that the pools of all threads have from the driver, in use or not.
    pub fn reserved(&self) -> u64 {
        self.reserved_in(MemoryScope::Device)
    }

    /// Returns the bytes that the pools of the calling thread have from the driver.
    pub fn reserved_by_this_thread(&self) -> u64 {
        self.reserved_in(MemoryScope::CurrentStream)
    }

    /// Returns the bytes that are in use of those, with what aligns them.
    pub fn used_by_this_thread(&self) -> u64 {
        let usage = self.0.memory_report(MemoryScope::CurrentStream).usage();
        usage.bytes_in_use + usage.bytes_padding
    }

    fn reserved_in(&self, scope: MemoryScope) -> u64 {
        self.0.memory_report(scope).usage().bytes_reserved
    }

    /// Lets the pools of the calling thread have pages of at least `bytes` bytes from now on. Without
    /// this a page is as large as the largest allocation so far, and smaller pages stay as long as
    /// something on them is in use.
    pub fn open_page(&self, bytes: u64) {
        let bytes = bytes.min(self.largest_allocation());
        drop(self.0.empty(bytes as usize));
    }

    /// Runs `work` with an allocation from the driver for each that this thread makes, which goes back as
    /// soon as it is free: for tests that count what work takes at most, without what pools keep.
    pub fn without_pools<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.0.memory_dedicated_allocation((), |()| work())
    }

    /// Returns the size in bytes of the largest allocation that the pools make.
    pub fn largest_allocation(&self) -> u64 {
        self.0.properties().memory.max_page_size
    }
}

impl std::fmt::Debug for Pools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pools")
    }
}

/// Runs `work`, whose allocations on `device` are to last: on a GPU each gets memory of its own size,
/// which is not shared.
pub fn lasting<T: Send>(device: &Device, work: impl FnOnce() -> T + Send) -> T {
    match Pools::of(device) {
        Some(pools) => pools.0.memory_persistent_allocation((), |()| work()),
        None => work(),
    }
}

/// Gives the memory that the pools of `device` have and nothing uses back to the driver. Waits for the
/// device; if that fails, the next stage reports it.
pub fn free_unused(device: &Device) {
    let _ = panic::catch_unwind(AssertUnwindSafe(|| device.memory_cleanup()));
}

/// Waits until the device has computed these tensors. Does nothing for tensors on the CPU device.
///
/// A GPU reports a failed allocation or launch at the tensors that it left uncomputed, and a fault of
/// a kernel at the next wait. This asks for both.
///
/// # Errors
/// The error of the device.
pub fn settle<'a>(tensors: impl IntoIterator<Item = &'a Tensor<4>>) -> Result<(), ServerError> {
    let tensors = tensors.into_iter().filter(|x| !is_cpu(&x.device()));
    let tensors = tensors.filter_map(|x| x.clone().try_into_primitive::<Cube>().ok());
    let tensors: Vec<_> = tensors.collect();
    let Some(first) = tensors.first() else {
        return Ok(());
    };
    block_on(first.client.sync_buffers(tensors.iter().map(|x| &x.handle)))
}

/// Returns whether a tensor of a CubeCL device has its memory to itself, up to padding: a part of a
/// larger tensor has not. A part begins or ends at least an alignment away from the whole's ends.
pub fn is_whole<const D: usize>(tensor: &Tensor<D>) -> bool {
    let Ok(primitive) = tensor.clone().try_into_primitive::<Cube>() else {
        return false;
    };
    let alignment = primitive.client.properties().memory.alignment;
    let [start, end] = [primitive.handle.offset_start, primitive.handle.offset_end];
    start.unwrap_or(0) == 0 && end.unwrap_or(0) < alignment
}
