//! Copies to and from CUDA memory with the CUDA driver, which the engine loads.
//!
//! The memory belongs to GStreamer: mapped with `GST_MAP_CUDA` it gives a device pointer.
//! GStreamer's CUDA library is not needed for that.

use std::{
    ffi::{c_int, c_uint, c_void},
    ptr,
};

use gst::{ffi, glib::translate::from_glib};
use propainter::internals::cuda::NvidiaLibrary;

use crate::propainter::video::device::transfer::{DeviceTransfer, Rows};

/// `GST_CUDA_MEMORY_TYPE_NAME`.
const MEMORY_TYPE: &str = "gst.cuda.memory";

/// `GST_MAP_CUDA`: the first flag after GStreamer's own flags.
const MAP_CUDA: ffi::GstMapFlags = ffi::GST_MAP_FLAG_LAST << 1;

/// `CU_MEMORYTYPE_HOST` and `CU_MEMORYTYPE_DEVICE`.
const HOST: c_uint = 1;
const DEVICE: c_uint = 2;

/// `CU_POINTER_ATTRIBUTE_CONTEXT`.
const CONTEXT: c_int = 1;

type CudaContext = *mut c_void;
type DevicePointer = u64;

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

impl Side {
    fn host(bytes: *mut u8, pitch: usize) -> Self {
        Self {
            kind: HOST,
            host: bytes.cast(),
            pitch,
            ..Self::device(0, 0)
        }
    }

    fn device(device: DevicePointer, pitch: usize) -> Self {
        Self {
            x: 0,
            y: 0,
            kind: DEVICE,
            host: ptr::null_mut(),
            device,
            array: ptr::null_mut(),
            pitch,
        }
    }
}

/// `CUDA_MEMCPY2D` of the driver's version 2.
#[repr(C)]
struct Copy2d {
    from: Side,
    to: Side,
    width: usize,
    height: usize,
}

/// The functions of the driver, whose library is never unloaded.
#[derive(Debug)]
pub struct Driver {
    pointer_attribute: unsafe extern "C" fn(*mut c_void, c_int, DevicePointer) -> c_int,
    push: unsafe extern "C" fn(CudaContext) -> c_int,
    pop: unsafe extern "C" fn(*mut CudaContext) -> c_int,
    synchronize: unsafe extern "C" fn() -> c_int,
    copy: unsafe extern "C" fn(*const Copy2d) -> c_int,
}

impl Driver {
    /// Loads the driver; `None` if there is none, or if it lacks a function.
    pub fn load() -> Option<Self> {
        let driver = NvidiaLibrary::driver()?;
        // SAFETY: the signatures are those of CUDA's documentation.
        unsafe {
            Some(Self {
                pointer_attribute: driver.function(c"cuPointerGetAttribute")?,
                push: driver.function(c"cuCtxPushCurrent_v2")?,
                pop: driver.function(c"cuCtxPopCurrent_v2")?,
                synchronize: driver.function(c"cuCtxSynchronize")?,
                copy: driver.function(c"cuMemcpy2D_v2")?,
            })
        }
    }

    /// Copies in the context that `pointer` belongs to.
    ///
    /// # Safety
    /// `copy` has a host side that holds `height` rows of `width` bytes at its pitch and a
    /// device side that does so from `pointer` on, mapped for as long as this runs.
    unsafe fn copy(&self, pointer: DevicePointer, copy: &Copy2d) -> Result<(), String> {
        let mut context: CudaContext = ptr::null_mut();
        // SAFETY: the attribute is written to a local of its type. The context is the one the
        // driver named, pushed and popped once on this thread. The copy is the caller's.
        unsafe {
            let attribute = (&raw mut context).cast();
            checked(
                "cuPointerGetAttribute",
                (self.pointer_attribute)(attribute, CONTEXT, pointer),
            )?;
            checked("cuCtxPushCurrent", (self.push)(context))?;
            // The work of others on the frame ends first, whichever stream they use; and the copy is
            // done before others see the frame.
            let copied = checked("cuCtxSynchronize", (self.synchronize)())
                .and_then(|()| checked("cuMemcpy2D", (self.copy)(copy)))
                .and_then(|()| checked("cuCtxSynchronize", (self.synchronize)()));
            let popped = checked("cuCtxPopCurrent", (self.pop)(&mut context));
            copied.and(popped)
        }
    }
}

/// Turns a result of the driver into a `Result`.
fn checked(name: &str, result: c_int) -> Result<(), String> {
    match result {
        0 => Ok(()),
        code => Err(format!("{name} failed with CUDA error {code}")),
    }
}

impl DeviceTransfer for Driver {
    fn read(&self, buffer: &gst::BufferRef, rows: Rows, out: &mut [u8]) -> Result<(), String> {
        assert_eq!(out.len(), rows.width * rows.count, "bytes of the rows");
        let mapped = Mapped::new(buffer.as_ptr().cast_mut(), buffer, ffi::GST_MAP_READ, rows)?;
        let copy = Copy2d {
            from: Side::device(mapped.first(rows), rows.stride),
            to: Side::host(out.as_mut_ptr(), rows.width),
            width: rows.width,
            height: rows.count,
        };
        // SAFETY: `out` holds the rows, as asserted, and `mapped` does, as it has checked.
        unsafe { self.copy(mapped.pointer(), &copy) }
    }

    fn write(&self, buffer: &mut gst::BufferRef, rows: Rows, from: &[u8]) -> Result<(), String> {
        assert_eq!(from.len(), rows.width * rows.count, "bytes of the rows");
        // The rest of the frame stays.
        let flags = ffi::GST_MAP_READ | ffi::GST_MAP_WRITE;
        let mapped = Mapped::new(buffer.as_mut_ptr(), buffer, flags, rows)?;
        let copy = Copy2d {
            from: Side::host(from.as_ptr().cast_mut(), rows.width),
            to: Side::device(mapped.first(rows), rows.stride),
            width: rows.width,
            height: rows.count,
        };
        // SAFETY: as in `read`; the host side is only read from.
        unsafe { self.copy(mapped.pointer(), &copy) }
    }
}

/// A buffer of CUDA memory that is mapped for the device until this is dropped.
struct Mapped<'a> {
    buffer: *mut ffi::GstBuffer,
    info: ffi::GstMapInfo,
    _borrowed: &'a gst::BufferRef,
}

impl<'a> Mapped<'a> {
    /// Maps `buffer`, which is the buffer of `borrowed` and writable if `flags` say so.
    fn new(
        buffer: *mut ffi::GstBuffer,
        borrowed: &'a gst::BufferRef,
        flags: ffi::GstMapFlags,
        rows: Rows,
    ) -> Result<Self, String> {
        let is_cuda = borrowed.n_memory() == 1 && borrowed.peek_memory(0).is_type(MEMORY_TYPE);
        if !is_cuda {
            return Err("the buffer is not in CUDA memory, although its caps say so".to_owned());
        }
        let mut info = std::mem::MaybeUninit::zeroed();
        // SAFETY: the buffer is borrowed for as long as `Mapped` lives, which unmaps it. With
        // one memory nothing is merged. The memory's type is CUDA's, so that with this flag
        // `data` is a device pointer; nothing here reads through it.
        let mapped = unsafe { ffi::gst_buffer_map(buffer, info.as_mut_ptr(), flags | MAP_CUDA) };
        // SAFETY: as above; a plain truth value.
        if !unsafe { from_glib::<_, bool>(mapped) } {
            return Err("the buffer cannot be mapped for CUDA".to_owned());
        }
        let mapped = Self {
            buffer,
            // SAFETY: zeroed, then filled by a call that succeeded.
            info: unsafe { info.assume_init() },
            _borrowed: borrowed,
        };
        if rows.end().is_none_or(|end| end > mapped.info.size) {
            return Err("the buffer is too small for its frame".to_owned());
        }
        Ok(mapped)
    }

    fn pointer(&self) -> DevicePointer {
        self.info.data as DevicePointer
    }

    fn first(&self, rows: Rows) -> DevicePointer {
        self.pointer() + rows.start as DevicePointer
    }
}

impl Drop for Mapped<'_> {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, and unmapped here only.
        unsafe { ffi::gst_buffer_unmap(self.buffer, &mut self.info) };
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
    fn memory_of_the_host_is_never_taken_for_memory_of_a_gpu() {
        gst::init().unwrap();
        let rows = Rows {
            start: 0,
            stride: 4,
            width: 4,
            count: 1,
        };
        let host = gst::Buffer::with_size(16).unwrap();
        let refused = Mapped::new(host.as_ptr().cast_mut(), &host, ffi::GST_MAP_READ, rows);
        assert!(refused.is_err_and(|problem| problem.contains("not in CUDA memory")));
        let empty = gst::Buffer::new();
        let refused = Mapped::new(empty.as_ptr().cast_mut(), &empty, ffi::GST_MAP_READ, rows);
        assert!(refused.is_err());
        // It can still be mapped otherwise: nothing was left mapped.
        assert!(host.copy().get_mut().unwrap().map_writable().is_ok());
    }
}
