//! Memory that each thread keeps and reuses, so that a task does not pay for fresh pages.

use std::cell::Cell;

thread_local! {
    static KEPT: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Runs `task` with `len` elements of unspecified content.
pub fn with(len: usize, task: impl FnOnce(&mut [f32])) {
    // Taken, not borrowed: while a task waits for others, its thread may run another task.
    let mut memory = KEPT.take();
    if memory.len() < len {
        memory = vec![0.0; len];
    }
    task(&mut memory[..len]);
    KEPT.set(memory);
}
