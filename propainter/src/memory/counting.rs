//! An allocator that counts: what this process's Rust code has on the heap. On the CPU device
//! that is where tensors live.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

static LIVE: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

/// The system's allocator with two counters. A program, or the plugin's library, makes it its
/// `#[global_allocator]`; everywhere else the counters stay 0.
pub struct Counting;

impl Counting {
    /// Bytes allocated and not yet freed.
    pub fn live() -> u64 {
        LIVE.load(Relaxed)
    }

    /// Most bytes live at once, since the start or the last [`reset_peak`](Self::reset_peak).
    pub fn peak() -> u64 {
        PEAK.load(Relaxed)
    }

    pub fn reset_peak() {
        PEAK.store(Self::live(), Relaxed);
    }

    /// Whether it is the allocator here: then something was allocated before anybody asks.
    pub fn installed() -> bool {
        Self::peak() > 0
    }
}

fn add(bytes: usize) {
    let live = LIVE.fetch_add(bytes as u64, Relaxed) + bytes as u64;
    // Mostly a load: a new peak is rare.
    if live > PEAK.load(Relaxed) {
        PEAK.fetch_max(live, Relaxed);
    }
}

fn remove(bytes: usize) {
    LIVE.fetch_sub(bytes as u64, Relaxed);
}

// SAFETY: every call goes to `System` with the caller's own arguments, and its answer goes
// back as it is. The counting allocates nothing, cannot panic and touches atomics only. What
// is removed was added: memory comes back with the layout it was given out with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` is the one that `System` asks for.
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
        // SAFETY: all our memory is `System`'s, and the caller gives its layout.
        unsafe { System.dealloc(memory, layout) };
        remove(layout.size());
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`; the caller promises that `size` is not 0 and fits.
        let moved = unsafe { System.realloc(memory, layout, size) };
        if !moved.is_null() {
            // Added first: another thread never sees less than nothing.
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

    /// Held by tests that need the counters as they are where the allocator is not installed,
    /// which it is not in this binary.
    pub static COUNTERS: Mutex<()> = Mutex::new(());

    #[test]
    fn what_is_allocated_is_counted_until_it_is_freed() {
        let _alone = COUNTERS.lock().unwrap();
        assert!(!Counting::installed());
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
            assert!(Counting::peak() >= 6000 && Counting::installed());
            Counting::reset_peak();
            assert_eq!(Counting::peak(), 1000);
            Counting.dealloc(zeroed, layout);
        }
        assert_eq!(Counting::live(), 0);
        Counting::reset_peak();
    }
}
