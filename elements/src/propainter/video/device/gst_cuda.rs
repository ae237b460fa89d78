//! GStreamer's CUDA library, loaded at run time: where a buffer lies, and in which context and stream
//! its memory is used; and contexts for the elements that ask for one.

use std::{
    ffi::{CStr, c_int, c_void},
    mem::MaybeUninit,
    ptr,
};

use gst::{
    ffi,
    glib::{self, ffi::gboolean, gobject_ffi::GObject, translate::from_glib_full},
    prelude::*,
};
use libloading::Library;
use propainter::internals::cuda::PrimaryContext;

use crate::propainter::video::device::{
    driver::{DevicePointer, Stream},
    transfer::Rows,
};

/// `GST_CUDA_CONTEXT_TYPE`.
pub const CONTEXT_TYPE: &str = "gst.cuda.context";

/// `GST_CUDA_MEMORY_TYPE_NAME`.
const MEMORY_TYPE: &str = "gst.cuda.memory";

/// `GST_MAP_CUDA`: the first flag after GStreamer's own flags. With it the data is a device pointer.
const MAP_CUDA: ffi::GstMapFlags = ffi::GST_MAP_FLAG_LAST << 1;

/// The public part of `GstCudaMemory`, of which the first field is all that is read.
#[repr(C)]
struct CudaMemory {
    memory: ffi::GstMemory,
    /// A `GstCudaContext`, which begins with a GObject.
    context: *mut GObject,
}

/// The functions that give a memory's stream, since GStreamer 1.24.
#[derive(Clone, Copy, Debug)]
pub struct StreamFunctions {
    pub of_memory: unsafe extern "C" fn(*mut ffi::GstMemory) -> *mut c_void,
    pub handle: unsafe extern "C" fn(*mut c_void) -> Stream,
}

/// The functions of the library, which stays loaded.
#[derive(Debug)]
pub struct GstCuda {
    push: unsafe extern "C" fn(*mut GObject) -> gboolean,
    pop: unsafe extern "C" fn(*mut *mut c_void) -> gboolean,
    wrap: unsafe extern "C" fn(*mut c_void, c_int) -> *mut GObject,
    handle: unsafe extern "C" fn(*mut GObject) -> *mut c_void,
    answer:
        unsafe extern "C" fn(*mut ffi::GstElement, *mut ffi::GstQuery, *mut GObject) -> gboolean,
    pub streams: Option<StreamFunctions>,
    _library: Library,
}

/// Where a buffer lies.
#[derive(Debug)]
pub struct Place {
    /// Stays valid as long as the buffer's memory.
    pub address: DevicePointer,
    pub context: CudaContext,
    /// Work in it comes after the work of others for the buffer. GStreamer before 1.24 has complete
    /// buffers, and its streams are ordered with the default one.
    pub stream: Stream,
}

impl GstCuda {
    /// Loads the library; `None` if there is none.
    pub fn load() -> Option<Self> {
        // SAFETY: loading it runs GLib's kind of initialisers only, which any thread may.
        let library = unsafe { Library::new("libgstcuda-1.0.so.0") }.ok()?;
        // SAFETY: the signatures are those of the library's headers, and the functions do not outlive
        // the library, which is part of this value.
        unsafe {
            // It opens the driver for all that follows.
            let load: unsafe extern "C" fn() -> gboolean =
                function(&library, c"gst_cuda_load_library")?;
            if load() == 0 {
                return None;
            }
            let of_memory = function(&library, c"gst_cuda_memory_get_stream");
            let handle = function(&library, c"gst_cuda_stream_get_handle");
            Some(Self {
                push: function(&library, c"gst_cuda_context_push")?,
                pop: function(&library, c"gst_cuda_context_pop")?,
                wrap: function(&library, c"gst_cuda_context_new_wrapped")?,
                handle: function(&library, c"gst_cuda_context_get_handle")?,
                answer: function(&library, c"gst_cuda_handle_context_query")?,
                streams: of_memory
                    .zip(handle)
                    .map(|(of_memory, handle)| StreamFunctions { of_memory, handle }),
                _library: library,
            })
        }
    }

    /// Makes the context that computes on a device one of GStreamer's, which keeps it.
    ///
    /// # Errors
    /// GStreamer does not take it.
    pub fn wrap(&self, primary: PrimaryContext) -> Result<gst::Object, String> {
        let (handle, device) = primary.handles();
        // SAFETY: the handles belong together. What comes back is null or a new reference. The context is
        // released when the object has been finalised, after which nothing uses it.
        unsafe {
            let context = (self.wrap)(handle, device);
            if context.is_null() {
                return Err("GStreamer does not take the context of the CUDA device".to_owned());
            }
            let context: gst::Object = from_glib_full(context.cast::<ffi::GstObject>());
            context.set_data("propainter-primary-context", primary);
            Ok(context)
        }
    }

    /// Answers a query for a context of type [`CONTEXT_TYPE`]. Returns whether it was one.
    pub fn answer(
        &self,
        element: &gst::Element,
        query: &mut gst::QueryRef,
        context: &gst::Object,
    ) -> bool {
        // SAFETY: all three live during the call, and the object is a GstCudaContext.
        unsafe {
            let context = context.as_ptr().cast();
            (self.answer)(element.as_ptr(), query.as_mut_ptr(), context) != 0
        }
    }

    /// Returns where a buffer lies that is to be read.
    ///
    /// # Errors
    /// It is in other memory, or too small for `rows`.
    pub fn readable(&self, buffer: &gst::BufferRef, rows: &[Rows]) -> Result<Place, String> {
        checked(buffer)?;
        // SAFETY: mapped for reading, and it is CUDA's memory.
        let address = unsafe { map(buffer.as_ptr().cast_mut(), ffi::GST_MAP_READ, rows) }?;
        Ok(self.place(buffer, address))
    }

    /// Returns where a buffer lies that is to be written. Memory that others have, too, is copied on the
    /// device first.
    ///
    /// # Errors
    /// As for [`GstCuda::readable`].
    pub fn writable(&self, buffer: &mut gst::BufferRef, rows: &[Rows]) -> Result<Place, String> {
        checked(buffer)?;
        // Not for writing alone: the rest of the frame stays.
        let flags = ffi::GST_MAP_READ | ffi::GST_MAP_WRITE;
        // SAFETY: the buffer is writable, and it is CUDA's memory.
        let address = unsafe { map(buffer.as_mut_ptr(), flags, rows) }?;
        checked(buffer)?;
        Ok(self.place(buffer, address))
    }

    /// Completes the place of a [`checked`] buffer.
    fn place(&self, buffer: &gst::BufferRef, address: DevicePointer) -> Place {
        let memory = buffer.peek_memory(0).as_ptr().cast_mut();
        // SAFETY: the type of the memory says that it is a GstCudaMemory. Its context and its stream, null
        // if it has none, live as long as it.
        unsafe {
            let of_memory = |streams: StreamFunctions| {
                let stream = (streams.of_memory)(memory);
                (!stream.is_null()).then(|| (streams.handle)(stream))
            };
            let stream = self.streams.and_then(of_memory);
            Place {
                address,
                context: CudaContext::new((*memory.cast::<CudaMemory>()).context),
                stream: stream.unwrap_or(ptr::null_mut()),
            }
        }
    }
}

/// Returns a function of the library.
///
/// # Safety
/// `F` is the function's type.
unsafe fn function<F: Copy>(library: &Library, name: &CStr) -> Option<F> {
    // SAFETY: the caller's.
    let symbol = unsafe { library.get::<F>(name.to_bytes_with_nul()) };
    symbol.ok().map(|symbol| *symbol)
}

/// Checks that a buffer is one piece of CUDA memory.
fn checked(buffer: &gst::BufferRef) -> Result<(), String> {
    match buffer.n_memory() == 1 && buffer.peek_memory(0).is_type(MEMORY_TYPE) {
        true => Ok(()),
        false => Err("the buffer is not in CUDA memory, although its caps say so".to_owned()),
    }
}

/// Maps a [`checked`] buffer for the device, unmaps it and returns its address.
///
/// # Safety
/// The buffer may be used as `flags` say.
unsafe fn map(
    buffer: *mut ffi::GstBuffer,
    flags: ffi::GstMapFlags,
    rows: &[Rows],
) -> Result<DevicePointer, String> {
    let mut info = MaybeUninit::zeroed();
    // SAFETY: the caller's. With one piece of memory nothing is merged; nothing here reads through the
    // pointer. What is mapped is unmapped once.
    let (address, size) = unsafe {
        if ffi::gst_buffer_map(buffer, info.as_mut_ptr(), flags | MAP_CUDA) == 0 {
            return Err("the buffer cannot be mapped for CUDA".to_owned());
        }
        let mut info = info.assume_init();
        ffi::gst_buffer_unmap(buffer, &mut info);
        (info.data as DevicePointer, info.size)
    };
    match rows
        .iter()
        .all(|rows| rows.end().is_some_and(|end| end <= size))
    {
        true => Ok(address),
        false => Err("the buffer is too small for its frame".to_owned()),
    }
}

/// A `GstCudaContext`, which is kept alive.
#[derive(Debug, PartialEq, Eq)]
pub struct CudaContext(*mut GObject);

// SAFETY: a GstCudaContext may be used on any thread, and its references are counted atomically.
unsafe impl Send for CudaContext {}
// SAFETY: as above.
unsafe impl Sync for CudaContext {}

impl CudaContext {
    /// # Safety
    /// `context` is a GstCudaContext.
    unsafe fn new(context: *mut GObject) -> Self {
        // SAFETY: the caller's.
        unsafe { glib::gobject_ffi::g_object_ref(context) };
        Self(context)
    }

    /// Returns the `CUcontext`.
    pub fn handle(&self, library: &GstCuda) -> *mut c_void {
        // SAFETY: the context is alive.
        unsafe { (library.handle)(self.0) }
    }

    /// Runs `body` while the context is current on this thread.
    ///
    /// # Errors
    /// The context cannot be used; those of `body`.
    pub fn run<T>(
        &self,
        library: &GstCuda,
        body: impl FnOnce() -> Result<T, String>,
    ) -> Result<T, String> {
        // SAFETY: the context is alive. It is popped once, as it was pushed; what is popped is not asked
        // for.
        unsafe {
            if (library.push)(self.0) == 0 {
                return Err("the CUDA context of the frames cannot be used".to_owned());
            }
            let done = body();
            (library.pop)(ptr::null_mut());
            done
        }
    }
}

impl Drop for CudaContext {
    fn drop(&mut self) {
        // SAFETY: the reference that `new` took.
        unsafe { glib::gobject_ffi::g_object_unref(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_the_host_is_never_taken_for_memory_of_a_gpu() {
        gst::init().unwrap();
        for host in [gst::Buffer::with_size(16).unwrap(), gst::Buffer::new()] {
            let problem = checked(&host).unwrap_err();
            assert!(problem.contains("not in CUDA memory"), "{problem}");
        }
    }
}
