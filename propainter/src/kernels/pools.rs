//! The memory pools of the tensor library on a CubeCL device, and the wait for its results.

use std::panic::{self, AssertUnwindSafe};

use burn::tensor::{Device, StreamId, Tensor};
use burn_cubecl::{
    Cube,
    cubecl::{
        MemoryPoolKind, MemoryScope, StreamMemoryReport, client::Client, future::block_on,
        server::ServerError,
    },
};

use super::device::is_cpu;

/// Bytes of the pages of pools from which nothing large was taken yet.
const SMALLEST_PAGE: u64 = 2 << 20;

/// The pools of a CubeCL device. Every allocation on the device comes from them.
#[derive(Clone)]
pub struct Pools(Client);

impl Pools {
    /// Returns the pools of `device`; `None` on the CPU device.
    pub fn of(device: &Device) -> Option<Self> {
        if is_cpu(device) {
            return None;
        }
        // Without bytes, so that the probe takes no memory.
        let probe = Tensor::<1>::empty([0], device);
        let probe = probe.try_into_primitive::<Cube>().ok()?;
        Some(Self(probe.client))
    }

    /// Returns the bytes that the pools of all threads have from the driver, in use or not.
    pub fn reserved(&self) -> u64 {
        self.reserved_in(MemoryScope::Device)
    }

    /// Returns the bytes that the pools of the current stream have from the driver.
    pub fn reserved_in_stream(&self) -> u64 {
        self.reserved_in(MemoryScope::CurrentStream)
    }

    /// Returns the bytes that are in use of those, with what aligns them.
    pub fn used_in_stream(&self) -> u64 {
        let usage = self.0.memory_report(MemoryScope::CurrentStream).usage();
        usage.bytes_in_use + usage.bytes_padding
    }

    fn reserved_in(&self, scope: MemoryScope) -> u64 {
        self.0.memory_report(scope).usage().bytes_reserved
    }

    /// Returns the bytes of the pages of the current stream's pools. They never shrink.
    pub fn page_size(&self) -> u64 {
        let report = self.0.memory_report(MemoryScope::CurrentStream);
        report.streams.iter().map(page_size).max().unwrap_or(0)
    }

    /// Lets the pools of the current stream have pages of at least `bytes` bytes from now on. Without
    /// this a page is as large as the largest allocation so far, and smaller pages stay as long as
    /// something on them is in use.
    pub fn open_page(&self, bytes: u64) {
        let bytes = bytes.min(self.largest_allocation());
        drop(self.0.empty(bytes as usize));
    }

    /// Returns the size in bytes of the largest allocation that the pools make.
    pub fn largest_allocation(&self) -> u64 {
        self.0.properties().memory.max_page_size
    }
}

/// Returns the bytes of the pages of a stream's pools.
fn page_size(stream: &StreamMemoryReport) -> u64 {
    let sizes = stream.pools.dynamic.iter().map(|pool| match pool.kind {
        MemoryPoolKind::Adaptive { page_size, .. } => page_size,
        _ => 0,
    });
    sizes.max().unwrap_or(0)
}

/// A stream of a device: work in its order, with memory pools of its own. Work outside of
/// [`enter`](Self::enter) goes to a stream of the calling thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceStream(StreamId);

impl DeviceStream {
    /// Number of streams that the tensor library opens on a device. Further ones share them.
    const MOST: usize = 128;

    /// Returns a stream of `device` with empty pools, the one with the smallest pages: most often one
    /// that was never used. Where no pools are empty, returns any.
    pub fn unused(device: &Device) -> Self {
        let mut found = None;
        let pools = Pools::of(device);
        for _ in 0..Self::MOST {
            let stream = Self(StreamId::allocate());
            let Some(pools) = &pools else { return stream };
            let [reserved, page] = stream.enter(|| [pools.reserved_in_stream(), pools.page_size()]);
            if reserved == 0 && found.is_none_or(|(smallest, _)| page < smallest) {
                found = Some((page, stream));
            }
            if reserved == 0 && page <= SMALLEST_PAGE {
                break;
            }
        }
        found.map_or_else(|| Self(StreamId::allocate()), |(_, stream)| stream)
    }

    /// Runs `work` in this stream.
    pub fn enter<T>(self, work: impl FnOnce() -> T) -> T {
        self.0.executes(work)
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

/// Runs `work`, whose allocations on `device` are outside of the pools on a GPU: they do not count as
/// theirs, and go back to the driver when they are dropped.
pub fn dedicated<T: Send>(device: &Device, work: impl FnOnce() -> T + Send) -> T {
    match Pools::of(device) {
        Some(pools) => pools.0.memory_dedicated_allocation((), |()| work()),
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
