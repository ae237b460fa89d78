//! Pinned host memory.

use crate::{
    driver::Driver,
    handles::Handle,
    status::{Answer, Status},
};

impl Driver {
    /// Allocates pinned memory, aligned to a page. It is not counted against a device.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` for 0 bytes, `CUDA_ERROR_OUT_OF_MEMORY`.
    pub fn allocate_pinned(&mut self, context: Handle, bytes: u64) -> Answer<u64> {
        if bytes == 0 {
            return Err(Status::INVALID_VALUE);
        }
        let mut address = std::ptr::null_mut();
        // SAFETY: the alignment is a power of two and a multiple of a pointer's size.
        let status = unsafe { libc::posix_memalign(&mut address, 4096, bytes as usize) };
        if status != 0 {
            return Err(Status::OUT_OF_MEMORY);
        }
        self.pin(context, address as u64, bytes)?;
        Ok(address as u64)
    }

    /// Notes that host memory is pinned from now on.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_CONTEXT`.
    pub fn pin(&mut self, context: Handle, address: u64, bytes: u64) -> Answer {
        let device = self.contexts.get(context)?.device;
        self.pinned.insert(address, (bytes, device));
        let counts = self.counts(device);
        counts.pinned_bytes += bytes;
        counts.peak_pinned_bytes = counts.peak_pinned_bytes.max(counts.pinned_bytes);
        Ok(())
    }

    /// Notes that host memory is pinned no more.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` if it was not.
    pub fn unpin(&mut self, address: u64) -> Answer {
        let (bytes, device) = self.pinned.remove(&address).ok_or(Status::INVALID_VALUE)?;
        self.counts(device).pinned_bytes -= bytes;
        Ok(())
    }

    /// Frees what [`allocate_pinned`](Self::allocate_pinned) gave; errors as [`unpin`](Self::unpin).
    pub fn free_pinned(&mut self, address: u64) -> Answer {
        self.unpin(address)?;
        // SAFETY: the table said that this was allocated, and no longer does.
        unsafe { libc::free(address as *mut _) };
        Ok(())
    }

    /// Whether an address lies in pinned memory.
    pub fn is_pinned(&self, address: u64) -> bool {
        let before = self.pinned.range(..=address).next_back();
        before.is_some_and(|(start, (bytes, _))| address - start < *bytes)
    }
}
