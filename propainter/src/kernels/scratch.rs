//! Working memory that each thread keeps, so that a task doesn't pay for fresh pages.

use std::cell::Cell;

thread_local! {
    static KEPT: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Runs `work` on `len` elements that hold anything.
pub fn with(len: usize, work: impl FnOnce(&mut [f32])) {
    // Taken, not borrowed: a task that waits for others may run another one meanwhile.
    let mut memory = KEPT.take();
    if memory.len() < len {
        memory = vec![0.0; len];
    }
    work(&mut memory[..len]);
    KEPT.set(memory);
}
