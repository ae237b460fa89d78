//! How much the layers compute: floating point operations, two for each product that is summed.
//! Counted is what the layers' definitions ask for, not what a kernel gets it done with;
//! element-wise work is not.

use std::cell::Cell;

thread_local! {
    /// Of this thread so far. Layers are called by one thread, whoever computes them.
    static OPERATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts `products` that are summed.
pub(crate) fn count(products: usize) {
    OPERATIONS.set(OPERATIONS.get().wrapping_add(2 * products as u64));
}

/// What `work` gives, and the operations of the layers it called on this thread.
pub fn counted<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = OPERATIONS.get();
    let result = work();
    (result, OPERATIONS.get().wrapping_sub(before))
}
