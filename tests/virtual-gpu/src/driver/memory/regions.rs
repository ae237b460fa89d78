//! Where device memory lies: one range of addresses for all devices, of which each allocation takes
//! its own pages with pages beside them that nobody may touch. An allocation ends within 512 bytes
//! of its guard page, so what reads past it is caught. Freed addresses stay forbidden.

use std::{
    collections::BTreeMap,
    ptr,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use crate::{
    handles::Handle,
    status::{Answer, Status},
};

/// The alignment of every allocation, as on GPUs.
const ALIGNMENT: u64 = 512;
const PAGE: u64 = 4096;
/// Bytes of addresses, of which hardly any are ever memory.
const ADDRESSES: u64 = 16 << 40;
/// What fresh memory holds where kernels are computed: every float is a NaN.
pub const POISON: u8 = 0xff;

/// How memory was allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `cuMemAlloc` and what is like it.
    Linear,
    /// In the order of a stream, from this pool.
    Pooled(Handle),
    /// A reserved range of addresses that physical memory was mapped to.
    Mapped(Handle),
}

/// An allocation.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// Bytes that the program asked for.
    pub bytes: u64,
    /// The number of its device.
    pub device: usize,
    /// The context it ends with.
    pub context: Handle,
    /// How it was allocated.
    pub kind: Kind,
}

#[derive(Debug, Default)]
struct Regions {
    /// The first address that was never used; 0 before the first allocation.
    next: u64,
    end: u64,
    live: BTreeMap<u64, Region>,
    freed: BTreeMap<u64, u64>,
}

static REGIONS: Mutex<Regions> = Mutex::new(Regions {
    next: 0,
    end: 0,
    live: BTreeMap::new(),
    freed: BTreeMap::new(),
});

fn regions() -> MutexGuard<'static, Regions> {
    REGIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes `bytes` of addresses, whole pages, that nobody may touch; a guard page follows them.
///
/// # Errors
/// `CUDA_ERROR_OUT_OF_MEMORY` when the addresses are used up.
pub fn reserve(bytes: u64) -> Answer<u64> {
    let mut regions = regions();
    if regions.next == 0 {
        // Half as much where the process may not have so many.
        let sizes = (0..12).map(|halved| ADDRESSES >> halved);
        let (start, size) = sizes
            .filter_map(|size| Some((map(0, size, libc::PROT_NONE)?, size)))
            .next()
            .ok_or(Status::OUT_OF_MEMORY)?;
        regions.next = start + PAGE;
        regions.end = start + size;
    }
    let start = regions.next;
    let next = start.saturating_add(bytes).saturating_add(PAGE);
    if next > regions.end {
        return Err(Status::OUT_OF_MEMORY);
    }
    regions.next = next;
    Ok(start)
}

/// Allocates memory and returns its address. It holds zeros, or [`POISON`].
///
/// # Errors
/// `CUDA_ERROR_OUT_OF_MEMORY` if the host has none.
pub fn create(region: Region, poison: bool) -> Answer<u64> {
    let pages = pages(region.bytes);
    let start = reserve(pages)?;
    let mapped = if poison {
        map_poison(start, pages)
    } else {
        map(start, pages, libc::PROT_READ | libc::PROT_WRITE).map(drop)
    };
    mapped.ok_or(Status::OUT_OF_MEMORY)?;
    // At the end of the pages, so that the guard page is near.
    let address = start + pages - region.bytes.next_multiple_of(ALIGNMENT);
    regions().live.insert(address, region);
    Ok(address)
}

/// Enters memory that was mapped otherwise.
pub fn enter(address: u64, region: Region) {
    regions().live.insert(address, region);
}

/// Takes memory that [`enter`] added out of the list.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE` if there is none at this address.
pub fn leave(address: u64) -> Answer<Region> {
    regions().live.remove(&address).ok_or(Status::INVALID_VALUE)
}

/// Frees memory and forbids its pages.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE` if no allocation starts at this address.
pub fn remove(address: u64) -> Answer<Region> {
    let mut regions = regions();
    match regions.live.get(&address) {
        Some(region) if !matches!(region.kind, Kind::Mapped(_)) => {}
        _ => return Err(Status::INVALID_VALUE),
    }
    let region = regions.live.remove(&address).ok_or(Status::INVALID_VALUE)?;
    regions.freed.insert(address, region.bytes);
    forbid(address / PAGE * PAGE, pages(region.bytes));
    Ok(region)
}

/// Makes pages unusable and gives their memory back to the host.
pub fn forbid(start: u64, bytes: u64) {
    // What is not given back stays allowed and mapped: nothing breaks.
    let _ = map(start, bytes, libc::PROT_NONE);
}

/// Returns the allocation that contains an address, and where it starts.
pub fn find(address: u64) -> Option<(u64, Region)> {
    let regions = regions();
    let (start, region) = regions.live.range(..=address).next_back()?;
    (address - start < region.bytes).then_some((*start, *region))
}

/// Checks that `bytes` from an address on are allocated.
///
/// # Errors
/// `CUDA_ERROR_INVALID_VALUE`.
pub fn check(address: u64, bytes: u64) -> Answer<Region> {
    let (start, region) = find(address).ok_or(Status::INVALID_VALUE)?;
    let room = region.bytes - (address - start);
    if bytes <= room {
        return Ok(region);
    }
    // Memory that was mapped in pieces may go on.
    match region.kind {
        Kind::Mapped(_) => check(start + region.bytes, bytes - room),
        _ => Err(Status::INVALID_VALUE),
    }
}

/// Whether an address is one of the range that device memory comes from.
pub fn is_device(address: u64) -> bool {
    find(address).is_some()
}

/// Returns the addresses of what a context allocated.
pub fn of_context(context: Handle) -> Vec<u64> {
    let regions = regions();
    let own = |(address, region): (&u64, &Region)| {
        let owned = region.context == context && !matches!(region.kind, Kind::Mapped(_));
        owned.then_some(*address)
    };
    regions.live.iter().filter_map(own).collect()
}

/// Says where a forbidden address lies; `None` if it is none of a device's.
pub fn describe(address: u64) -> Option<String> {
    // Called after a fault: it must not wait for itself.
    let regions = REGIONS.try_lock().ok()?;
    if address >= regions.end || address < regions.end.saturating_sub(ADDRESSES) {
        return None;
    }
    if let Some((start, bytes)) = regions.freed.range(..=address).next_back()
        && address - start < *bytes
    {
        let offset = address - start;
        return Some(format!("{offset} bytes into {bytes} bytes that were freed"));
    }
    let before = regions.live.range(..=address).next_back();
    let past = before
        .map(|(start, region)| ((address - start).saturating_sub(region.bytes), region.bytes));
    let after = regions.live.range(address..).next();
    let ahead = after.map(|(start, region)| (start - address, region.bytes));
    match (past, ahead) {
        (Some((past, bytes)), ahead) if ahead.is_none_or(|(gap, _)| past <= gap) => Some(format!(
            "{past} bytes past the end of an allocation of {bytes} bytes"
        )),
        (_, Some((gap, bytes))) => {
            Some(format!("{gap} bytes before an allocation of {bytes} bytes"))
        }
        _ => None,
    }
}

fn pages(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGNMENT).next_multiple_of(PAGE)
}

/// Maps fresh memory: at `address`, in place of what was there, or anywhere if it is 0.
fn map(address: u64, bytes: u64, protection: i32) -> Option<u64> {
    let fixed = if address == 0 { 0 } else { libc::MAP_FIXED };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | fixed;
    map_file(address, bytes, protection, flags, -1)
}

/// Maps a file as `mmap` does.
pub fn map_file(address: u64, bytes: u64, protection: i32, flags: i32, file: i32) -> Option<u64> {
    // SAFETY: with MAP_FIXED the address is within the range that `reserve` took for the driver and
    // that no Rust object lies in; without it the host picks unused addresses.
    let mapped = unsafe {
        libc::mmap(
            address as *mut _,
            bytes as usize,
            protection,
            flags,
            file,
            0,
        )
    };
    (mapped != libc::MAP_FAILED).then_some(mapped as u64)
}

/// Maps memory that holds [`POISON`], without using any of the host's before it is written to.
fn map_poison(start: u64, bytes: u64) -> Option<()> {
    const PIECE: u64 = 16 << 20;
    static FILE: OnceLock<Option<i32>> = OnceLock::new();
    let file = (*FILE.get_or_init(|| poison_file(PIECE)))?;
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE);
    for piece in (0..bytes).step_by(PIECE as usize) {
        let size = PIECE.min(bytes - piece);
        let flags = flags | libc::MAP_FIXED | libc::MAP_NORESERVE;
        map_file(start + piece, size, protection, flags, file)?;
    }
    Some(())
}

fn poison_file(bytes: u64) -> Option<i32> {
    let file = memory_file(bytes)?;
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    let start = map_file(0, bytes, protection, flags, file)?;
    // SAFETY: the pages were just mapped for writing, and are unmapped after that.
    unsafe {
        ptr::write_bytes(start as *mut u8, POISON, bytes as usize);
        libc::munmap(start as *mut _, bytes as usize);
    }
    Some(file)
}

/// Makes a file in memory.
pub fn memory_file(bytes: u64) -> Option<i32> {
    // SAFETY: the name ends with a zero; the descriptor is the one that was just made.
    unsafe {
        let file = libc::memfd_create(c"virtual-gpu".as_ptr(), libc::MFD_CLOEXEC);
        (file >= 0 && libc::ftruncate(file, bytes as i64) == 0).then_some(file)
    }
}
