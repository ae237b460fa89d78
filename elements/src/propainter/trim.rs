//! Returns freed memory to the system: the C library keeps the memory of freed frames.

/// Returns the freed memory that the allocator keeps to the system.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        // SAFETY: this is the signature of the C library's function, which may be called at any time
        // from any thread and touches only freed memory.
        unsafe { malloc_trim(0) };
    }
}
