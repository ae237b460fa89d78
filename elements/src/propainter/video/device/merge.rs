//! The kernel that writes bits into rows (`merge.ptx`). Everything works in the context that is current on the
//! thread.

use std::{
    ffi::{c_uint, c_void},
    ptr,
};

use crate::propainter::video::device::{
    driver::{DevicePointer, Driver, Handle, Stream, checked},
    transfer::Rows,
};

/// The loaded kernel. Its context is current when this is dropped.
#[derive(Debug)]
pub struct MergeKernel {
    driver: &'static Driver,
    module: Handle,
    function: Handle,
}

// SAFETY: the driver's handles may be used on any thread.
unsafe impl Send for MergeKernel {}

impl MergeKernel {
    /// Loads the kernel.
    ///
    /// # Errors
    /// The driver does not take it, or the device fails.
    pub fn new(driver: &'static Driver) -> Result<Self, String> {
        const PTX: &str = concat!(include_str!("merge.ptx"), "\0");
        let mut module = ptr::null_mut();
        // SAFETY: the text ends with a zero, and the results are written to locals of their types.
        unsafe {
            checked(
                "cuModuleLoadData",
                (driver.load)(&mut module, PTX.as_ptr().cast()),
            )?;
            let mut kernel = Self {
                driver,
                module,
                function: ptr::null_mut(),
            };
            let found = (driver.function)(&mut kernel.function, module, c"merge".as_ptr());
            checked("cuModuleGetFunction", found)?;
            Ok(kernel)
        }
    }

    /// Begins to write into `rows` of the buffer at `target`; `new` and `kept` are the bits without
    /// padding.
    ///
    /// # Safety
    /// All three hold the rows, and stay until the stream has done it.
    pub unsafe fn begin(
        &self,
        target: DevicePointer,
        rows: Rows,
        [mut new, mut kept]: [DevicePointer; 2],
        stream: Stream,
    ) -> Result<(), String> {
        /// Threads of a block, each of which has a byte.
        const THREADS: c_uint = 256;
        let number = |count: usize| {
            c_uint::try_from(count).map_err(|_| "the frame is too large for CUDA".to_owned())
        };
        let mut first = target + rows.start as DevicePointer;
        let mut stride = rows.stride as u64;
        let mut width = number(rows.width)?;
        let count = number(rows.count)?;
        let mut parameters: [*mut c_void; 5] = [
            (&raw mut first).cast(),
            (&raw mut stride).cast(),
            (&raw mut new).cast(),
            (&raw mut kept).cast(),
            (&raw mut width).cast(),
        ];
        // SAFETY: the parameters are those that the kernel declares, which the driver copies. Threads
        // beyond the width do nothing. The memory is the caller's.
        checked("cuLaunchKernel", unsafe {
            (self.driver.launch)(
                self.function,
                count,
                width.div_ceil(THREADS),
                1,
                THREADS,
                1,
                1,
                0,
                stream,
                parameters.as_mut_ptr(),
                ptr::null_mut(),
            )
        })
    }
}

impl Drop for MergeKernel {
    fn drop(&mut self) {
        // SAFETY: loaded in `new`. No launch of it is under way, as each is waited for.
        unsafe { (self.driver.unload)(self.module) };
    }
}
