//! What the compiled C reads and writes, as `state.h` declares it.

use std::ffi::c_void;

/// A block as its threads see it (`struct Block` in `state.h`).
#[repr(C)]
pub struct Block {
    pub parameters: *mut *mut c_void,
    pub shared: *mut u8,
    pub shared_size: u64,
    pub at: [u32; 3],
    pub threads: [u32; 3],
    pub grid: [u32; 3],
    pub line: u32,
    pub address: u64,
}

/// A thread that waits for others (`struct Thread` in `state.h`).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Thread {
    pub place: [u32; 3],
    pub number: u32,
    pub at: u32,
    pub mask: u32,
    pub local: *mut u8,
    pub frame: *mut u8,
    pub copies: *mut u8,
}
