//! An allocator that counts the bytes that this process's Rust code has on the heap. On the CPU
//! device that is where tensors are.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

static LIVE: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

/// The watches in existence.
static WATCHES: Mutex<Vec<Weak<AtomicU64>>> = Mutex::new(Vec::new());

/// Records the peak of allocated bytes since it was created or restarted, independent of other
/// watches.
#[derive(Debug)]
pub struct Watch(Arc<AtomicU64>);

impl Watch {
    pub fn new() -> Self {
        let watch = Arc::new(AtomicU64::new(0));
        watches().push(Arc::downgrade(&watch));
        let watch = Self(watch);
        watch.restart();
        watch
    }

    /// Restarts the recording from the bytes allocated now.
    pub fn restart(&self) {
        let mut watches = watches();
        let peak = PEAK.load(Relaxed);
        watches.retain(|other| {
            let other = other.upgrade();
            other
                .inspect(|other| _ = other.fetch_max(peak, Relaxed))
                .is_some()
        });
        PEAK.store(Counting::live(), Relaxed);
        self.0.store(Counting::live(), Relaxed);
    }

    pub fn peak(&self) -> u64 {
        self.0.load(Relaxed).max(PEAK.load(Relaxed))
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

fn watches() -> MutexGuard<'static, Vec<Weak<AtomicU64>>> {
    WATCHES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The system's allocator with two counters. A program, or the plugin's library, installs it as its
/// `#[global_allocator]`; without that the counters stay 0.
pub struct Counting;

impl Counting {
    /// Returns the bytes allocated and not yet freed.
    pub fn live() -> u64 {
        LIVE.load(Relaxed)
    }

    /// Returns whether this allocator is installed: then something has been allocated before the
    /// first call.
    pub fn installed() -> bool {
        PEAK.load(Relaxed) > 0
    }
}

fn add(bytes: usize) {
    let live = LIVE.fetch_add(bytes as u64, Relaxed) + bytes as u64;
    // Usually only a load, because new peaks are rare.
    if live > PEAK.load(Relaxed) {
        PEAK.fetch_max(live, Relaxed);
    }
}

fn remove(bytes: usize) {
    LIVE.fetch_sub(bytes as u64, Relaxed);
}

// SAFETY: every call goes to `System` with the caller's own arguments, and its answer goes
// back as it is. Counting allocates nothing, cannot panic and touches atomics only. Every
// size removed was added before: memory is freed with the layout that it was allocated with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller guarantees for `layout` what `System` requires.
        let memory = unsafe { System.alloc(layout) };
        if !memory.is_null() {
            add(layout.size());
        }
        memory
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let memory = unsafe { System.alloc_zeroed(layout) };
        if !memory.is_null() {
            add(layout.size());
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: all memory given out here is `System`'s, and the caller passes its layout.
        unsafe { System.dealloc(memory, layout) };
        remove(layout.size());
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`; the caller guarantees that `size` is not 0 and fits.
        let moved = unsafe { System.realloc(memory, layout, size) };
        if !moved.is_null() {
            // Added first, so that no other thread sees a negative sum.
            add(size);
            remove(layout.size());
        }
        moved
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Locked by tests that need the counters of an allocator that is not installed, as it is not
    /// in this binary.
    pub static COUNTERS: Mutex<()> = Mutex::new(());

    #[test]
    fn what_is_allocated_is_counted_until_it_is_freed() {
        let _alone = COUNTERS.lock().unwrap();
        assert!(!Counting::installed());
        let (first, second) = (Watch::new(), Watch::new());
        let layout = Layout::from_size_align(1000, 8).unwrap();
        let larger = Layout::from_size_align(5000, 8).unwrap();
        // SAFETY: the layouts are not empty, and each piece is freed once with its own.
        unsafe {
            let piece = Counting.alloc(layout);
            let zeroed = Counting.alloc_zeroed(layout);
            assert!(!piece.is_null() && !zeroed.is_null());
            assert_eq!(*zeroed.add(999), 0);
            assert_eq!(Counting::live(), 2000);
            piece.add(999).write(7);
            let piece = Counting.realloc(piece, layout, 5000);
            assert!(!piece.is_null());
            assert_eq!(*piece.add(999), 7);
            assert_eq!(Counting::live(), 6000);
            Counting.dealloc(piece, larger);
            assert_eq!(Counting::live(), 1000);
            assert!(first.peak() >= 6000 && Counting::installed());
            second.restart();
            assert_eq!(second.peak(), 1000);
            assert!(first.peak() >= 6000);
            Counting.dealloc(zeroed, layout);
        }
        assert_eq!(Counting::live(), 0);
        PEAK.store(0, Relaxed);
    }
}
