//! Pools of allocations in the order of a stream (`cuMemAllocAsync`, `cuMemPoolCreate`). A pool
//! keeps freed bytes from other users of the device until it is trimmed, or until the host waits
//! and they are more than the pool's threshold.

use crate::{
    driver::Driver,
    driver::memory::regions::Kind,
    handles::Handle,
    status::{Answer, Status},
};

/// A pool.
#[derive(Debug)]
pub struct Pool {
    /// The number of its device.
    pub device: usize,
    /// Bytes that stay reserved when the host waits.
    pub threshold: u64,
    /// Bytes taken from the device, and the most so far.
    pub reserved: [u64; 2],
    /// Bytes allocated to the program, and the most so far.
    pub used: [u64; 2],
}

impl Pool {
    /// Makes an empty pool that keeps nothing.
    pub fn new(device: usize) -> Self {
        Self {
            device,
            threshold: 0,
            reserved: [0; 2],
            used: [0; 2],
        }
    }

    /// Returns the bytes that are reserved and not in use.
    pub fn idle(&self) -> u64 {
        self.reserved[0] - self.used[0]
    }

    fn take(&mut self, bytes: u64) {
        self.used[0] += bytes;
        self.used[1] = self.used[1].max(self.used[0]);
        self.reserved[0] = self.reserved[0].max(self.used[0]);
        self.reserved[1] = self.reserved[1].max(self.reserved[0]);
    }

    /// Takes bytes back from the program and keeps them reserved.
    pub fn give_back(&mut self, bytes: u64) {
        self.used[0] -= bytes;
    }

    /// Gives bytes back to the device until no more than these are reserved, or in use.
    pub fn trim(&mut self, keep: u64) {
        self.reserved[0] = self.reserved[0].min(keep.max(self.used[0]));
    }
}

impl Driver {
    /// Allocates from a pool.
    ///
    /// # Errors
    /// As [`allocate`](Self::allocate).
    pub fn allocate_pooled(&mut self, context: Handle, bytes: u64, pool: Handle) -> Answer<u64> {
        let device = self.contexts.get(context)?.device;
        let found = self.pools.get(pool)?;
        if found.device != device {
            return Err(Status::INVALID_VALUE);
        }
        // What other pools keep is given back before an allocation fails.
        if self.used(device) - found.idle() + bytes > self.settings.memory {
            self.trim_pools(device, |_| 0);
        }
        // The pool's idle bytes are used first.
        let before = self.pools.get(pool)?.idle();
        self.pools.get_mut(pool)?.reserved[0] -= before.min(bytes);
        let address = self.allocate(context, bytes, Kind::Pooled(pool));
        self.pools.get_mut(pool)?.reserved[0] += before.min(bytes);
        let address = address?;
        self.pools.get_mut(pool)?.take(bytes);
        self.counts(device).ordered_allocations += 1;
        Ok(address)
    }

    /// Trims the pools of a device to what `keep` returns for each.
    pub fn trim_pools(&mut self, device: usize, keep: impl Fn(&Pool) -> u64) {
        for pool in self.pools.values_mut().filter(|pool| pool.device == device) {
            pool.trim(keep(pool));
        }
    }
}
