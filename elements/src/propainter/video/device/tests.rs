//! Caps; and on the virtual GPU, stream-ordered memory and virtual memory, which GStreamer has since 1.24, in
//! a fake of its CUDA memory. The context is GStreamer's own.

use std::{
    ffi::{CStr, c_int, c_uint, c_void},
    mem, ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

use gst::{ffi, glib, prelude::*, subclass::prelude::*};
use libloading::Library;
use propainter::internals::cuda::NvidiaLibrary;
use virtual_gpu::{client::Gpu, harness};

use super::{
    CONTEXT_TYPE, FEATURE, FORMATS, answer_context_query, caps,
    cuda::{CudaFrames, Libraries},
    device_caps,
    driver::{DevicePointer, Driver, Stream},
    gst_cuda::{GstCuda, StreamFunctions},
    is_context_query, transfer,
    transfer::{Bits, DeviceTransfer, Rows},
};

/// `GstCudaMemory` up to its context, and the address that mapping gives.
#[repr(C)]
struct FakeMemory {
    memory: ffi::GstMemory,
    context: *mut glib::gobject_ffi::GObject,
    address: DevicePointer,
}

mod imp {
    use super::*;

    /// Makes and frees [`FakeMemory`].
    #[derive(Default)]
    pub struct FakeAllocator;

    #[glib::object_subclass]
    impl ObjectSubclass for FakeAllocator {
        const NAME: &'static str = "FakeCudaAllocator";
        type Type = super::FakeAllocator;
        type ParentType = gst::Allocator;
    }

    impl ObjectImpl for FakeAllocator {
        fn constructed(&self) {
            self.parent_constructed();
            let allocator: *mut ffi::GstAllocator = self.obj().as_ptr().cast();
            // SAFETY: nobody else knows the allocator yet. The name is static.
            unsafe {
                (*allocator).mem_type = c"gst.cuda.memory".as_ptr();
                (*allocator).mem_map = Some(map);
                (*allocator).mem_unmap = Some(unmap);
            }
        }
    }

    impl GstObjectImpl for FakeAllocator {}

    // SAFETY: it frees what `fake` made.
    unsafe impl AllocatorImpl for FakeAllocator {
        unsafe fn free(&self, memory: *mut ffi::GstMemory) {
            // SAFETY: a box of `fake`, whose last reference is gone.
            drop(unsafe { Box::from_raw(memory.cast::<FakeMemory>()) });
        }
    }

    unsafe extern "C" fn map(
        memory: *mut ffi::GstMemory,
        _size: usize,
        _flags: ffi::GstMapFlags,
    ) -> glib::ffi::gpointer {
        // SAFETY: a box of `fake`.
        unsafe { (*memory.cast::<FakeMemory>()).address as glib::ffi::gpointer }
    }

    unsafe extern "C" fn unmap(_memory: *mut ffi::GstMemory) {}
}

glib::wrapper! {
    pub struct FakeAllocator(ObjectSubclass<imp::FakeAllocator>) @extends gst::Allocator, gst::Object;
}

/// Returns a buffer of `size` bytes at `address` in a `GstCudaContext`, which outlives it.
fn fake(
    context: *mut glib::gobject_ffi::GObject,
    address: DevicePointer,
    size: usize,
) -> gst::Buffer {
    let allocator: FakeAllocator = glib::Object::new();
    // SAFETY: all fields are set, the memory's own by GStreamer. The allocator frees the box.
    let memory = unsafe {
        let made = Box::into_raw(Box::new(FakeMemory {
            memory: mem::zeroed(),
            context,
            address,
        }));
        let allocator = allocator.as_ptr().cast();
        ffi::gst_memory_init(made.cast(), 0, allocator, ptr::null_mut(), size, 0, 0, size);
        glib::translate::from_glib_full::<*mut ffi::GstMemory, gst::Memory>(made.cast())
    };
    let mut buffer = gst::Buffer::new();
    buffer.get_mut().unwrap().append_memory(memory);
    buffer
}

/// The stream of the fake memory.
static STREAM: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" fn stream_of(_memory: *mut ffi::GstMemory) -> *mut c_void {
    STREAM.load(Ordering::SeqCst)
}

unsafe extern "C" fn handle_of(stream: *mut c_void) -> Stream {
    stream
}

/// Calls a function of the driver.
macro_rules! cuda {
    ($name:literal($($argument:expr => $type:ty),* $(,)?)) => {{
        let name: &CStr = $name;
        // SAFETY: the types are those of CUDA's documentation, and the pointers are to locals.
        let result = unsafe {
            let driver = NvidiaLibrary::driver().unwrap();
            let call: unsafe extern "C" fn($($type),*) -> c_int = driver.function(name).unwrap();
            call($($argument),*)
        };
        assert_eq!(result, 0, "{name:?}");
    }};
}

const ROWS: [Rows; 2] = [
    Rows {
        start: 100,
        stride: 64,
        width: 40,
        count: 20,
    },
    Rows {
        start: 2000,
        stride: 100,
        width: 33,
        count: 11,
    },
];
const SIZE: usize = 4096;

fn noise(seed: u8) -> Vec<u8> {
    let mut state = u32::from(seed);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..SIZE).map(|_| next()).collect()
}

/// Returns the bytes of [`ROWS`], which are places in `bytes`.
fn places() -> Vec<usize> {
    let row = |rows: Rows, y| {
        let start = rows.start + y * rows.stride;
        start..start + rows.width
    };
    let all = ROWS
        .iter()
        .flat_map(|&rows| (0..rows.count).map(move |y| row(rows, y)));
    all.flatten().collect()
}

/// Reads and writes memory at `address`, whose stream still has to fill it, and reads it again.
fn check(context: *mut glib::gobject_ffi::GObject, address: DevicePointer, stream: Stream) {
    STREAM.store(stream, Ordering::SeqCst);
    let (Some(driver), Some(mut gst)) = (Driver::load(), GstCuda::load()) else {
        panic!("no driver or no libgstcuda");
    };
    gst.streams = Some(StreamFunctions {
        of_memory: stream_of,
        handle: handle_of,
    });
    let frames = CudaFrames::new(Box::leak(Box::new(Libraries { driver, gst })));
    let (old, new) = (noise(1), noise(2));
    cuda!(c"cuMemcpyHtoDAsync_v2"(
        address => DevicePointer, old.as_ptr().cast() => *const c_void, SIZE => usize, stream => Stream
    ));
    let mut buffer = fake(context, address, SIZE);
    let before = Gpu::find(0).unwrap().counts();
    let download = frames.read(&buffer, &ROWS).unwrap();
    let expected: Vec<u8> = places().iter().map(|&place| old[place]).collect();
    assert!(
        download.bytes().unwrap() == expected,
        "what the stream was to write"
    );
    drop(download);

    let kept = noise(3)[..expected.len()].to_vec();
    let bits = Bits {
        new: new
            .iter()
            .zip(&kept)
            .map(|(new, kept)| new & !kept)
            .collect(),
        kept: kept
            .iter()
            .zip(&new)
            .map(|(kept, new)| kept | new & !kept)
            .collect(),
    };
    frames
        .write(buffer.get_mut().unwrap(), &ROWS, &bits)
        .unwrap();
    let counts = Gpu::find(0).unwrap().counts() - before;
    assert_eq!((counts.waits(), counts.stream_waits), (1, 1), "{counts:?}");
    let mut expected = old;
    for (i, place) in places().into_iter().enumerate() {
        expected[place] = expected[place] & kept[i] | new[i] & !kept[i];
    }
    let mut after = vec![0; SIZE];
    cuda!(c"cuMemcpyDtoH_v2"(
        after.as_mut_ptr().cast() => *mut c_void, address => DevicePointer, SIZE => usize
    ));
    assert!(after == expected, "written, and nothing beside it");
    // A buffer that ends before its rows do.
    let small = fake(context, address, ROWS[1].end().unwrap() - 1);
    assert!(frames.read(&small, &ROWS).is_err());
}

/// Runs `body` with a `GstCudaContext` that is current, and with a stream of it that is ordered with no
/// other one, on a virtual GPU that works as late as it may.
fn on_gpu(test: &str, body: impl FnOnce(*mut glib::gobject_ffi::GObject, Stream)) {
    let test = format!("propainter::video::device::tests::{test}");
    let settings = [("VIRTUAL_GPU_MODE", "compute"), ("VIRTUAL_GPU_LATE", "1")];
    if !harness::virtual_gpu(&test, &settings) {
        return;
    }
    gst::init().unwrap();
    // SAFETY: the signatures are those of the library's headers. It stays loaded.
    let context = unsafe {
        let Ok(library) = Library::new("libgstcuda-1.0.so.0") else {
            println!(
                "skipped: libgstcuda-1.0.so.0 (libgstreamer-plugins-bad1.0-0) is not installed"
            );
            return;
        };
        let library = Box::leak(Box::new(library));
        let load: libloading::Symbol<'_, unsafe extern "C" fn() -> c_int> =
            library.get(b"gst_cuda_load_library\0").unwrap();
        assert_eq!(load(), 1);
        let init: libloading::Symbol<'_, unsafe extern "C" fn()> =
            library.get(b"gst_cuda_memory_init_once\0").unwrap();
        init();
        type New = unsafe extern "C" fn(c_uint) -> *mut glib::gobject_ffi::GObject;
        let new: libloading::Symbol<'_, New> = library.get(b"gst_cuda_context_new\0").unwrap();
        let context = new(0);
        let push: libloading::Symbol<
            '_,
            unsafe extern "C" fn(*mut glib::gobject_ffi::GObject) -> c_int,
        > = library.get(b"gst_cuda_context_push\0").unwrap();
        assert_eq!(push(context), 1);
        context
    };
    let mut stream: Stream = ptr::null_mut();
    /// `CU_STREAM_NON_BLOCKING`.
    const ALONE: c_uint = 1;
    cuda!(c"cuStreamCreate"(&mut stream => *mut Stream, ALONE => c_uint));
    body(context, stream);
}

#[test]
fn elements_get_the_context_that_the_networks_compute_in() {
    let test = "elements_get_the_context_that_the_networks_compute_in";
    on_gpu(test, |own, _| {
        let active = || {
            let (mut flags, mut active) = (0, 0);
            cuda!(c"cuDevicePrimaryCtxGetState"(
                0 => c_int, &mut flags => *mut c_uint, &mut active => *mut c_int
            ));
            active
        };
        let ask = || {
            let element = gst::ElementFactory::make("fakesink").build().unwrap();
            let mut query = gst::query::Context::new(CONTEXT_TYPE);
            assert!(is_context_query(&query));
            assert_eq!(answer_context_query(&element, &mut query, 0), Ok(true));
            query.context_owned().unwrap()
        };
        assert_eq!(active(), 0);
        let context =
            |answer: &gst::Context| answer.structure().get::<gst::Object>(CONTEXT_TYPE).unwrap();
        let answers = [ask(), ask()];
        let [first, second] = answers.each_ref().map(context);
        assert!(first == second && first.as_ptr().cast() != own);
        assert_eq!(active(), 1);
        drop((first, answers));
        assert_eq!(active(), 1, "somebody has it");
        drop(second);
        assert_eq!(active(), 0);
        assert_eq!(context(&ask()).type_().name(), "GstCudaContext");
        // Other queries, and a device that is not there.
        assert!(!is_context_query(&gst::query::Context::new(
            "gst.gl.GLDisplay"
        )));
        let element = gst::ElementFactory::make("fakesink").build().unwrap();
        let mut query = gst::query::Context::new(CONTEXT_TYPE);
        let problem = answer_context_query(&element, &mut query, 7).unwrap_err();
        assert!(problem.contains("cuda:7"), "{problem}");
    });
}

#[test]
fn stream_ordered_memory_is_used_in_the_order_of_its_stream() {
    on_gpu(
        "stream_ordered_memory_is_used_in_the_order_of_its_stream",
        |context, stream| {
            let mut address = 0;
            cuda!(c"cuMemAllocAsync"(
                &mut address => *mut DevicePointer, SIZE => usize, stream => Stream
            ));
            check(context, address, stream);
        },
    );
}

#[test]
fn virtual_memory_is_used_as_any_other() {
    on_gpu("virtual_memory_is_used_as_any_other", |context, stream| {
        /// `CUmemAllocationProp` (pinned memory of device 0) and `CUmemAccessDesc` (read and write).
        const PROPERTIES: [c_int; 8] = [1, 0, 1, 0, 0, 0, 0, 0];
        const ACCESS: [c_int; 3] = [1, 0, 3];
        const BYTES: usize = 2 << 20;
        let (mut memory, mut address): (*mut c_void, DevicePointer) = (ptr::null_mut(), 0);
        cuda!(c"cuMemCreate"(
            &mut memory => *mut *mut c_void, BYTES => usize, PROPERTIES.as_ptr() => *const c_int, 0 => u64
        ));
        cuda!(c"cuMemAddressReserve"(
            &mut address => *mut DevicePointer, BYTES => usize, 0 => usize, 0 => u64, 0 => u64
        ));
        cuda!(c"cuMemMap"(
            address => DevicePointer, BYTES => usize, 0 => usize, memory => *mut c_void, 0 => u64
        ));
        cuda!(c"cuMemSetAccess"(
            address => DevicePointer, BYTES => usize, ACCESS.as_ptr() => *const c_int, 1 => usize
        ));
        check(context, address, stream);
    });
}

#[test]
fn caps_of_the_host_have_no_transfer_and_those_of_a_gpu_name_its_formats() {
    gst::init().unwrap();
    let host = gst_video::VideoCapsBuilder::new()
        .format_list(FORMATS)
        .build();
    assert!(transfer(&host).is_none());
    let device = device_caps();
    assert!(device.features(0).unwrap().contains(FEATURE));
    assert_eq!(transfer(&device).is_some(), caps().is_some());
    assert!(!device.can_intersect(&host), "never taken for one another");
    for format in ["NV12", "P010_10LE", "RGBA", "BGRA"] {
        let one = format!("video/x-raw({FEATURE}),format={format}");
        assert!(device.can_intersect(&one.parse::<gst::Caps>().unwrap()));
    }
}
