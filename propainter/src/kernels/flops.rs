//! The number of floating-point operations that the layers ask for, two for each multiply–add, and the
//! bytes that kernels on a GPU move.
//!
//! The operations follow the definitions of the layers, however few of them a kernel needs.
//! Element-wise operations are not counted. The bytes are those of every tensor that a kernel of ours
//! reads or writes, once for each launch. A lookup in the correlation volume reads less than that.

use std::cell::Cell;

thread_local! {
    /// The operations of this thread so far. One thread calls the layers, whichever threads
    /// compute them.
    static FLOPS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// Counts `multiply_adds` multiply–adds.
pub(crate) fn count(multiply_adds: usize) {
    FLOPS.set(FLOPS.get().wrapping_add(2 * multiply_adds as u64));
}

/// Runs `task` and returns its result, with the operations of the layers that it called on this
/// thread.
pub fn counted<T>(task: impl FnOnce() -> T) -> (T, u64) {
    let before = FLOPS.get();
    let result = task();
    (result, FLOPS.get().wrapping_sub(before))
}

/// Counts a tensor of a kernel on a GPU.
pub(crate) fn count_bytes(bytes: usize) {
    BYTES.set(BYTES.get().wrapping_add(bytes as u64));
}

/// Runs `task` and returns its result, with the bytes that the kernels on a GPU move which it launched
/// on this thread.
pub fn counted_bytes<T>(task: impl FnOnce() -> T) -> (T, u64) {
    let before = BYTES.get();
    let result = task();
    (result, BYTES.get().wrapping_sub(before))
}
