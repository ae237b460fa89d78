//! The CUDA driver, which the engine loads: what frames in its memory need of it. Everything works in the
//! context that is current on the thread.

use std::{
    ffi::{c_char, c_int, c_uint, c_void},
    ptr,
};

use propainter::internals::{cuda::NvidiaLibrary, cuda_faults::lost_context};

use crate::propainter::video::device::transfer::Rows;

/// `CU_MEMORYTYPE_HOST` and `CU_MEMORYTYPE_DEVICE`.
const HOST: c_uint = 1;
const DEVICE: c_uint = 2;

/// `CUDA_ERROR_OUT_OF_MEMORY`.
const OUT_OF_MEMORY: c_int = 2;

/// `CUDA_ERROR_NOT_READY`.
pub const NOT_READY: c_int = 600;

/// `CUdeviceptr`.
pub type DevicePointer = u64;

/// `CUstream`; null is the default stream of a context.
pub type Stream = *mut c_void;

/// `CUevent`, `CUmodule`, `CUfunction`.
pub type Handle = *mut c_void;

type Create = unsafe extern "C" fn(*mut Handle, c_uint) -> c_int;
type OfHandle = unsafe extern "C" fn(Handle) -> c_int;
type Launch = unsafe extern "C" fn(
    Handle,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    Stream,
    *mut *mut c_void,
    *mut *mut c_void,
) -> c_int;

/// One side of `CUDA_MEMCPY2D`.
#[repr(C)]
struct Side {
    x: usize,
    y: usize,
    kind: c_uint,
    host: *mut c_void,
    device: DevicePointer,
    array: *mut c_void,
    pitch: usize,
}

/// `CUDA_MEMCPY2D` of the driver's version 2.
#[repr(C)]
pub struct Copy2d {
    from: Side,
    to: Side,
    width: usize,
    height: usize,
}

impl Copy2d {
    /// A copy of `rows` of a buffer at `from` to the host, where they have no padding.
    pub fn to_host(from: DevicePointer, rows: Rows, to: *mut u8) -> Self {
        Self::new(from, rows, (HOST, to.cast(), 0))
    }

    /// A copy of `rows` of a buffer at `from` within the device, where they have no padding.
    pub fn on_device(from: DevicePointer, rows: Rows, to: DevicePointer) -> Self {
        Self::new(from, rows, (DEVICE, ptr::null_mut(), to))
    }

    fn new(
        from: DevicePointer,
        rows: Rows,
        (kind, host, device): (c_uint, *mut c_void, DevicePointer),
    ) -> Self {
        let side = |kind, host, device, pitch| Side {
            x: 0,
            y: 0,
            kind,
            host,
            device,
            array: ptr::null_mut(),
            pitch,
        };
        let first = from + rows.start as DevicePointer;
        Self {
            from: side(DEVICE, ptr::null_mut(), first, rows.stride),
            to: side(kind, host, device, rows.width),
            width: rows.width,
            height: rows.count,
        }
    }
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Driver {
    pub(super) copy: unsafe extern "C" fn(*const Copy2d, Stream) -> c_int,
    pub(super) upload: unsafe extern "C" fn(DevicePointer, *const c_void, usize, Stream) -> c_int,
    pub(super) wait_stream: OfHandle,
    pub(super) create_event: Create,
    pub(super) record: unsafe extern "C" fn(Handle, Stream) -> c_int,
    pub(super) query: OfHandle,
    pub(super) wait_event: OfHandle,
    pub(super) destroy_event: OfHandle,
    pub(super) pin: unsafe extern "C" fn(*mut *mut c_void, usize) -> c_int,
    pub(super) unpin: OfHandle,
    pub(super) allocate: unsafe extern "C" fn(*mut DevicePointer, usize) -> c_int,
    pub(super) free: unsafe extern "C" fn(DevicePointer) -> c_int,
    pub(super) load: unsafe extern "C" fn(*mut Handle, *const c_void) -> c_int,
    pub(super) unload: OfHandle,
    pub(super) function: unsafe extern "C" fn(*mut Handle, Handle, *const c_char) -> c_int,
    pub(super) launch: Launch,
}

impl Driver {
    /// Loads the driver; `None` if there is none, or if it lacks a function.
    pub fn load() -> Option<Self> {
        let driver = NvidiaLibrary::driver()?;
        // SAFETY: the signatures are those of CUDA's documentation.
        unsafe {
            Some(Self {
                copy: driver.function(c"cuMemcpy2DAsync_v2")?,
                upload: driver.function(c"cuMemcpyHtoDAsync_v2")?,
                wait_stream: driver.function(c"cuStreamSynchronize")?,
                create_event: driver.function(c"cuEventCreate")?,
                record: driver.function(c"cuEventRecord")?,
                query: driver.function(c"cuEventQuery")?,
                wait_event: driver.function(c"cuEventSynchronize")?,
                destroy_event: driver.function(c"cuEventDestroy_v2")?,
                pin: driver.function(c"cuMemAllocHost_v2")?,
                unpin: driver.function(c"cuMemFreeHost")?,
                allocate: driver.function(c"cuMemAlloc_v2")?,
                free: driver.function(c"cuMemFree_v2")?,
                load: driver.function(c"cuModuleLoadData")?,
                unload: driver.function(c"cuModuleUnload")?,
                function: driver.function(c"cuModuleGetFunction")?,
                launch: driver.function(c"cuLaunchKernel")?,
            })
        }
    }

    /// Waits for a stream.
    ///
    /// # Errors
    /// The device fails.
    pub fn wait(&self, stream: Stream) -> Result<(), String> {
        // SAFETY: GStreamer's stream, or the default one.
        checked("cuStreamSynchronize", unsafe { (self.wait_stream)(stream) })
    }
}

/// Turns a result of the driver into a `Result`.
pub(super) fn checked(name: &str, result: c_int) -> Result<(), String> {
    if result == 0 {
        return Ok(());
    }
    let problem = format!("{name} failed with status {result}");
    Err(match (lost_context(&problem), result) {
        (Some(fault), _) => format!(
            "the CUDA context of the frames has failed ({fault} at {name}); restart the program"
        ),
        (None, OUT_OF_MEMORY) => {
            format!("there is no memory left for frames in CUDA memory ({name}); lower vram-budget")
        }
        (None, _) => problem,
    })
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn the_copy_is_laid_out_as_in_cudas_header() {
        // From cuda.h, for 64 bits.
        let side = [
            offset_of!(Side, x),
            offset_of!(Side, y),
            offset_of!(Side, kind),
            offset_of!(Side, host),
            offset_of!(Side, device),
            offset_of!(Side, array),
            offset_of!(Side, pitch),
        ];
        assert_eq!(side, [0, 8, 16, 24, 32, 40, 48]);
        assert_eq!(offset_of!(Copy2d, to), 56);
        assert_eq!(offset_of!(Copy2d, width), 112);
        assert_eq!(offset_of!(Copy2d, height), 120);
        assert_eq!(size_of::<Copy2d>(), 128);
    }

    #[test]
    fn a_lost_context_is_told_in_a_sentence_that_says_what_to_do() {
        assert_eq!(checked("cuMemAlloc", 0), Ok(()));
        let other = checked("cuMemAlloc", 1).unwrap_err();
        assert_eq!(other, "cuMemAlloc failed with status 1");
        let lost = checked("cuStreamSynchronize", 700).unwrap_err();
        assert!(lost.contains("CUDA_ERROR_ILLEGAL_ADDRESS"), "{lost}");
        assert!(lost.ends_with("restart the program"), "{lost}");
    }
}
