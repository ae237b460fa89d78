//! The CUDA driver, which the engine loads: what frames in its memory need of it. Everything works in the
//! context that is current on the thread.

use std::{
    ffi::{c_char, c_int, c_uint, c_void},
    ptr,
};

use propainter::internals::{cuda::NvidiaLibrary, cuda_faults::lost_context};

use crate::propainter::video::device::{gst_cuda::Stream, transfer::Rows};

/// `CU_MEMORYTYPE_HOST` and `CU_MEMORYTYPE_DEVICE`.
const HOST: c_uint = 1;
const DEVICE: c_uint = 2;

/// `CUDA_ERROR_OUT_OF_MEMORY`.
const OUT_OF_MEMORY: c_int = 2;

/// `CUDA_ERROR_NOT_READY`.
const NOT_READY: c_int = 600;

/// `CUdeviceptr`.
pub type DevicePointer = u64;

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
struct Copy2d {
    from: Side,
    to: Side,
    width: usize,
    height: usize,
}

impl Copy2d {
    /// A copy of `rows` of a buffer at `from` to the host, where they have no padding.
    fn new(from: DevicePointer, rows: Rows, to: *mut u8) -> Self {
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
            to: side(HOST, to.cast(), 0, rows.width),
            width: rows.width,
            height: rows.count,
        }
    }
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Driver {
    copy: unsafe extern "C" fn(*const Copy2d, Stream) -> c_int,
    upload: unsafe extern "C" fn(DevicePointer, *const c_void, usize, Stream) -> c_int,
    wait_stream: OfHandle,
    create_event: Create,
    record: unsafe extern "C" fn(Handle, Stream) -> c_int,
    query: OfHandle,
    wait_event: OfHandle,
    destroy_event: OfHandle,
    pin: unsafe extern "C" fn(*mut *mut c_void, usize) -> c_int,
    unpin: OfHandle,
    allocate: unsafe extern "C" fn(*mut DevicePointer, usize) -> c_int,
    free: unsafe extern "C" fn(DevicePointer) -> c_int,
    load: unsafe extern "C" fn(*mut Handle, *const c_void) -> c_int,
    unload: OfHandle,
    function: unsafe extern "C" fn(*mut Handle, Handle, *const c_char) -> c_int,
    launch: Launch,
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
fn checked(name: &str, result: c_int) -> Result<(), String> {
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

/// Pinned memory of the host with an event. What it holds was freed or never in use by a device when
/// this is dropped; its context is current then.
#[derive(Debug)]
pub struct Pinned {
    driver: &'static Driver,
    bytes: *mut u8,
    size: usize,
    event: Handle,
}

// SAFETY: memory and event are this value's own, and may be used on any thread.
unsafe impl Send for Pinned {}
// SAFETY: as above; `&self` only reads the memory.
unsafe impl Sync for Pinned {}

impl Pinned {
    /// Allocates `size` bytes, which is not 0.
    ///
    /// # Errors
    /// There is too little memory, or the device fails.
    pub fn new(driver: &'static Driver, size: usize) -> Result<Self, String> {
        /// `CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING`.
        const FLAGS: c_uint = 1 | 2;
        let (mut bytes, mut event) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: both results are written to locals of their types. Memory without an event is freed.
        unsafe {
            checked("cuMemAllocHost", (driver.pin)(&mut bytes, size))?;
            let created = checked("cuEventCreate", (driver.create_event)(&mut event, FLAGS));
            created.inspect_err(|_| {
                (driver.unpin)(bytes);
            })?;
            // The bytes are read as such before a device has written all of them.
            ptr::write_bytes(bytes.cast::<u8>(), 0, size);
        }
        Ok(Self {
            driver,
            bytes: bytes.cast(),
            size,
            event,
        })
    }

    /// Returns the number of bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the bytes. No device writes them: see [`Pinned::wait`].
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: allocated and set in `new`.
        unsafe { std::slice::from_raw_parts(self.bytes, self.size) }
    }

    /// Returns the bytes for writing.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`.
        unsafe { std::slice::from_raw_parts_mut(self.bytes, self.size) }
    }

    /// Begins to copy rows of the buffer at `from` into this, one plane after the other.
    ///
    /// # Safety
    /// The buffer at `from` holds the rows, and stays until [`Pinned::wait`] has returned. The bytes are
    /// not used until then.
    pub unsafe fn begin_download(
        &mut self,
        from: DevicePointer,
        rows: &[Rows],
        stream: Stream,
    ) -> Result<(), String> {
        let mut to = 0;
        for &rows in rows {
            let end = to + rows.size();
            assert!(end <= self.size, "room for the rows");
            // SAFETY: there is room, as was just checked; the rest is the caller's.
            let copy = Copy2d::new(from, rows, unsafe { self.bytes.add(to) });
            // SAFETY: as above.
            checked("cuMemcpy2DAsync", unsafe {
                (self.driver.copy)(&raw const copy, stream)
            })?;
            to = end;
        }
        // SAFETY: the event is this value's own.
        checked("cuEventRecord", unsafe {
            (self.driver.record)(self.event, stream)
        })
    }

    /// Waits until the bytes are there, if they are not yet.
    ///
    /// # Errors
    /// The device fails.
    pub fn wait(&self) -> Result<(), String> {
        // SAFETY: the event is this value's own.
        unsafe {
            match (self.driver.query)(self.event) {
                NOT_READY => checked("cuEventSynchronize", (self.driver.wait_event)(self.event)),
                result => checked("cuEventQuery", result),
            }
        }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`, and not used any more.
        unsafe {
            (self.driver.destroy_event)(self.event);
            (self.driver.unpin)(self.bytes.cast());
        }
    }
}

/// Device memory. Its context is current when this is dropped.
#[derive(Debug)]
pub struct DeviceBytes {
    driver: &'static Driver,
    address: DevicePointer,
}

impl DeviceBytes {
    /// Allocates `size` bytes, which is not 0.
    ///
    /// # Errors
    /// There is too little memory, or the device fails.
    pub fn new(driver: &'static Driver, size: usize) -> Result<Self, String> {
        let mut address = 0;
        // SAFETY: the result is written to a local of its type.
        checked("cuMemAlloc", unsafe {
            (driver.allocate)(&mut address, size)
        })?;
        Ok(Self { driver, address })
    }

    /// Returns the address.
    pub fn address(&self) -> DevicePointer {
        self.address
    }

    /// Begins to copy the first `size` bytes of `from`.
    ///
    /// # Safety
    /// This holds as many. They stay as they are until the stream has done it.
    pub unsafe fn begin_upload(
        &self,
        from: &Pinned,
        size: usize,
        stream: Stream,
    ) -> Result<(), String> {
        let from = &from.bytes()[..size];
        // SAFETY: the caller's.
        checked("cuMemcpyHtoDAsync", unsafe {
            (self.driver.upload)(self.address, from.as_ptr().cast(), size, stream)
        })
    }
}

impl Drop for DeviceBytes {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`. The driver frees it after the work that uses it.
        unsafe { (self.driver.free)(self.address) };
    }
}

/// The kernel that writes bits into rows (`merge.ptx`). Its context is current when this is dropped.
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
