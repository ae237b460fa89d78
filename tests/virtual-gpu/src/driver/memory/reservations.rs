//! Virtual memory management: ranges of addresses (`cuMemAddressReserve`), physical memory
//! (`cuMemCreate`), and its mapping to addresses (`cuMemMap`, `cuMemSetAccess`).

use crate::{
    driver::Driver,
    driver::memory::regions::{self, Kind, POISON, Region},
    handles::Handle,
    settings::Mode,
    status::{Answer, Status},
};

/// What sizes and addresses are multiples of, as on GPUs.
pub const GRANULARITY: u64 = 2 << 20;

/// A reserved range of addresses.
#[derive(Clone, Copy, Debug)]
pub struct Reservation {
    /// Its size.
    pub bytes: u64,
}

/// Physical memory of a device: a file in memory.
#[derive(Debug)]
pub struct Physical {
    file: i32,
    bytes: u64,
    device: usize,
    /// Mappings that exist.
    mapped: usize,
    /// Whether the program has released its handle.
    released: bool,
}

impl Physical {
    /// Returns the number of the device.
    pub fn device(&self) -> usize {
        self.device
    }
}

impl Driver {
    /// Reserves addresses and returns the first.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` if the size is no multiple of the granularity.
    pub fn reserve_addresses(&mut self, bytes: u64) -> Answer<u64> {
        whole(bytes)?;
        let start = regions::reserve(bytes + GRANULARITY)?.next_multiple_of(GRANULARITY);
        self.reservations.insert(start, Reservation { bytes });
        Ok(start)
    }

    /// Gives addresses back; they are never used again.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` if they were not reserved so.
    pub fn release_addresses(&mut self, start: u64, bytes: u64) -> Answer {
        match self.reservations.get(&start) {
            Some(reservation) if reservation.bytes == bytes => {}
            _ => return Err(Status::INVALID_VALUE),
        }
        self.reservations.remove(&start);
        Ok(())
    }

    /// Makes physical memory.
    ///
    /// # Errors
    /// As [`reserve_addresses`](Self::reserve_addresses); `CUDA_ERROR_OUT_OF_MEMORY`.
    pub fn create_physical(&mut self, device: usize, bytes: u64) -> Answer<Handle> {
        whole(bytes)?;
        self.admit(device, bytes, 0)?;
        let file = regions::memory_file(bytes).ok_or(Status::OUT_OF_MEMORY)?;
        if self.settings.mode == Mode::Compute {
            poison(file, bytes)?;
        }
        self.counts(device).allocated(bytes);
        Ok(self.physical.insert(Physical {
            file,
            bytes,
            device,
            mapped: 0,
            released: false,
        }))
    }

    /// Releases the program's handle. The memory is freed once it is mapped nowhere.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE`.
    pub fn release_physical(&mut self, handle: Handle) -> Answer {
        self.physical.get_mut(handle)?.released = true;
        self.free_unmapped(handle)
    }

    fn free_unmapped(&mut self, handle: Handle) -> Answer {
        let physical = self.physical.get(handle)?;
        if physical.released && physical.mapped == 0 {
            let physical = self.physical.remove(handle)?;
            // SAFETY: the descriptor was made with the memory, which nothing refers to any more.
            unsafe { libc::close(physical.file) };
            let counts = self.counts(physical.device);
            counts.bytes -= physical.bytes;
            counts.frees += 1;
        }
        Ok(())
    }

    /// Maps all of a physical memory to reserved addresses. Nobody may use them before
    /// [`allow`](Self::allow).
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` if the addresses are not reserved or already mapped.
    pub fn map(&mut self, start: u64, bytes: u64, handle: Handle) -> Answer {
        let physical = self.physical.get_mut(handle)?;
        let reserved = self.reservations.range(..=start).next_back();
        let reserved = reserved.is_some_and(|(first, range)| {
            start + bytes <= first + range.bytes && start.is_multiple_of(GRANULARITY)
        });
        let taken = regions::find(start).is_some();
        if bytes != physical.bytes || !reserved || taken {
            return Err(Status::INVALID_VALUE);
        }
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        regions::map_file(start, bytes, libc::PROT_NONE, flags, physical.file)
            .ok_or(Status::OUT_OF_MEMORY)?;
        physical.mapped += 1;
        let region = Region {
            bytes,
            device: physical.device,
            context: Handle::NULL,
            kind: Kind::Mapped(handle),
        };
        regions::enter(start, region);
        Ok(())
    }

    /// Takes the mappings of a range away.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` if the range is not whole mappings.
    pub fn unmap(&mut self, start: u64, bytes: u64) -> Answer {
        for (first, region) in mappings(start, bytes)? {
            let region = regions::leave(first).unwrap_or(region);
            regions::forbid(first, region.bytes);
            if let Kind::Mapped(handle) = region.kind {
                self.physical.get_mut(handle)?.mapped -= 1;
                self.free_unmapped(handle)?;
            }
        }
        Ok(())
    }

    /// Lets kernels and copies use a range, or forbids it.
    ///
    /// # Errors
    /// As [`unmap`](Self::unmap).
    pub fn allow(&mut self, start: u64, bytes: u64, access: i32) -> Answer {
        let protection = match access {
            0 => libc::PROT_NONE,
            1 => libc::PROT_READ,
            3 => libc::PROT_READ | libc::PROT_WRITE,
            _ => return Err(Status::INVALID_VALUE),
        };
        for (first, region) in mappings(start, bytes)? {
            // SAFETY: these pages are a mapping of the driver's, which no Rust object lies in.
            let status =
                unsafe { libc::mprotect(first as *mut _, region.bytes as usize, protection) };
            if status != 0 {
                return Err(Status::UNKNOWN);
            }
        }
        Ok(())
    }
}

fn whole(bytes: u64) -> Answer {
    if bytes == 0 || !bytes.is_multiple_of(GRANULARITY) {
        return Err(Status::INVALID_VALUE);
    }
    Ok(())
}

/// Returns the mappings that make up a range.
fn mappings(start: u64, bytes: u64) -> Answer<Vec<(u64, Region)>> {
    let mut found = Vec::new();
    let mut at = start;
    while at < start + bytes {
        match regions::find(at) {
            Some((first, region)) if first == at && matches!(region.kind, Kind::Mapped(_)) => {
                found.push((first, region));
                at += region.bytes;
            }
            _ => return Err(Status::INVALID_VALUE),
        }
    }
    if at != start + bytes {
        return Err(Status::INVALID_VALUE);
    }
    Ok(found)
}

fn poison(file: i32, bytes: u64) -> Answer {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    let start = regions::map_file(0, bytes, protection, flags, file);
    let start = start.ok_or(Status::OUT_OF_MEMORY)?;
    // SAFETY: the pages were just mapped for writing, and are unmapped after that.
    unsafe {
        std::ptr::write_bytes(start as *mut u8, POISON, bytes as usize);
        libc::munmap(start as *mut _, bytes as usize);
    }
    Ok(())
}
