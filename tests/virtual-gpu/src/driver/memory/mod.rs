//! Device memory: host memory in an address range of its own, with guard pages.

pub mod faults;
pub mod pinned;
pub mod pools;
pub mod regions;
pub mod reservations;

use crate::{
    driver::Driver,
    handles::Handle,
    settings::Mode,
    status::{Answer, Status},
};
use regions::{Kind, Region};

impl Driver {
    /// Allocates device memory for a context, as `cuMemAlloc` does.
    ///
    /// # Errors
    /// `CUDA_ERROR_OUT_OF_MEMORY` if the device is full or the failure was ordered,
    /// `CUDA_ERROR_INVALID_VALUE` for 0 bytes.
    pub fn allocate(&mut self, context: Handle, bytes: u64, kind: Kind) -> Answer<u64> {
        let device = self.contexts.get(context)?.device;
        if bytes == 0 {
            return Err(Status::INVALID_VALUE);
        }
        self.admit(device, bytes, 0)?;
        faults::watch();
        let poison = self.settings.mode == Mode::Compute;
        let region = Region {
            bytes,
            device,
            context,
            kind,
        };
        let address = regions::create(region, poison)?;
        self.counts(device).allocated(bytes);
        Ok(address)
    }

    /// Checks that a device has room for `bytes`, of which `reserved` are already taken from it,
    /// and that no failure was ordered.
    ///
    /// # Errors
    /// `CUDA_ERROR_OUT_OF_MEMORY`, which is counted.
    pub fn admit(&mut self, device: usize, bytes: u64, reserved: u64) -> Answer {
        let used = self.used(device) - reserved;
        let full = used.saturating_add(bytes) > self.settings.memory;
        if self.devices[device].failures.refuses_allocation(bytes) || full {
            self.counts(device).refused_allocations += 1;
            return Err(Status::OUT_OF_MEMORY);
        }
        Ok(())
    }

    /// Frees device memory. Its addresses are never used again.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` if nothing was allocated at this address.
    pub fn free(&mut self, address: u64) -> Answer {
        let region = regions::remove(address)?;
        let counts = self.counts(region.device);
        counts.bytes -= region.bytes;
        counts.frees += 1;
        if let Kind::Pooled(pool) = region.kind
            && let Ok(pool) = self.pools.get_mut(pool)
        {
            pool.give_back(region.bytes);
        }
        Ok(())
    }

    /// Frees what a context allocated, as its end does.
    pub fn free_all(&mut self, context: Handle) {
        for address in regions::of_context(context) {
            // Each was just listed.
            let _ = self.free(address);
        }
    }

    /// Returns the free and the total bytes of a device.
    pub fn memory_info(&self, device: usize) -> (u64, u64) {
        let total = self.settings.memory;
        (total.saturating_sub(self.used(device)), total)
    }
}
