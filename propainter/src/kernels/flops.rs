//! The number of floating-point operations that the layers ask for, two for each multiply–add.
//!
//! The count follows the definitions of the layers, however few operations a kernel needs.
//! Element-wise operations are not counted.

use std::cell::Cell;

thread_local! {
    /// The operations of this thread so far. One thread calls the layers, whichever threads
    /// compute them.
    static FLOPS: Cell<u64> = const { Cell::new(0) };
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
