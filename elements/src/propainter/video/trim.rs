//! Gives memory that was freed back to the system: the C library keeps what pictures took.

/// Gives back what the allocator keeps of freed memory.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        // SAFETY: the C library's own function of this signature; it may be called at any time
        // from any thread, and touches freed memory only.
        unsafe { malloc_trim(0) };
    }
}
