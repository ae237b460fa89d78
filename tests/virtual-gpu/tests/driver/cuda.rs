//! The driver's functions as the tests call them.

use std::ffi::{CString, c_int, c_void};

use libloading::Library;
use virtual_gpu::client::Gpu;

/// A call's result: `Err` is a `CUresult`.
pub type Answer<T = ()> = Result<T, c_int>;

/// A kernel that stores a number, in PTX that every driver since CUDA 12.0 takes.
pub const PTX: &str = ".version 7.0\n.target sm_75\n.address_size 64\n\
    .visible .entry store(\n .param .u64 .ptr .global .align 4 store_param_0,\n .param .u32 store_param_1\n)\n\
    .maxntid 256, 1, 1\n{\n\
    .reg .b64 %rd<3>;\n.reg .b32 %r<2>;\n\
    ld.param.u64 %rd1, [store_param_0];\n\
    ld.param.u32 %r1, [store_param_1];\n\
    cvta.to.global.u64 %rd2, %rd1;\n\
    st.global.u32 [%rd2], %r1;\n\
    ret;\n}\n";

/// The driver of this process with a current context on a device.
pub struct Cuda {
    library: Library,
    /// Its counts.
    pub gpu: Gpu,
}

/// Calls a function whose arguments have the types it declares.
macro_rules! call {
    ($cuda:expr, $name:ident($($argument:expr => $type:ty),* $(,)?)) => {{
        // SAFETY: the types are those of cuda.h, and pointers lead to locals of the caller's.
        let status = unsafe {
            let function = $cuda.function::<unsafe extern "C" fn($($type),*) -> std::ffi::c_int>(
                concat!(stringify!($name), "\0"),
            );
            function($($argument),*)
        };
        match status {
            0 => Ok(()),
            status => Err(status),
        }
    }};
}
pub(crate) use call;

impl Cuda {
    /// Loads the driver without starting it.
    pub fn load(device: usize) -> Self {
        // SAFETY: loading a driver starts nothing.
        let library = unsafe { Library::new("libcuda.so.1") }.expect("a driver");
        let gpu = Gpu::find(device).expect("the virtual GPU");
        Self { library, gpu }
    }

    /// Starts the driver and makes the primary context of a device current.
    pub fn open(device: usize) -> Self {
        let cuda = Self::load(device);
        call!(cuda, cuInit(0 => u32)).expect("the driver starts");
        cuda.retain(device);
        cuda
    }

    /// Retains the primary context of a device and makes it current.
    pub fn retain(&self, device: usize) {
        let mut context = 0;
        let device = device as c_int;
        call!(self, cuDevicePrimaryCtxRetain(&mut context => *mut u64, device => c_int))
            .expect("a context");
        call!(self, cuCtxSetCurrent(context => u64)).expect("it becomes current");
    }

    /// Returns a function.
    ///
    /// # Safety
    /// `F` is its type.
    pub unsafe fn function<F: Copy>(&self, name: &str) -> F {
        // SAFETY: the caller names the type.
        *unsafe { self.library.get::<F>(name.as_bytes()) }.unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Whether the driver has a function.
    pub fn has(&self, name: &str) -> bool {
        self.gpu.has(&CString::new(name).expect("a name"))
    }

    pub fn allocate(&self, bytes: usize) -> Answer<u64> {
        let mut address = 0;
        call!(self, cuMemAlloc_v2(&mut address => *mut u64, bytes => usize))?;
        Ok(address)
    }

    pub fn free(&self, address: u64) -> Answer {
        call!(self, cuMemFree_v2(address => u64))
    }

    pub fn upload(&self, address: u64, bytes: &[u8]) -> Answer {
        let source = bytes.as_ptr().cast();
        call!(self, cuMemcpyHtoD_v2(address => u64, source => *const c_void, bytes.len() => usize))
    }

    pub fn download(&self, address: u64, bytes: usize) -> Answer<Vec<u8>> {
        let mut target = vec![0u8; bytes];
        let pointer = target.as_mut_ptr().cast();
        call!(self, cuMemcpyDtoH_v2(pointer => *mut c_void, address => u64, bytes => usize))?;
        Ok(target)
    }

    pub fn stream(&self) -> u64 {
        let mut stream = 0;
        call!(self, cuStreamCreate(&mut stream => *mut u64, 1 => u32)).expect("a stream");
        stream
    }

    pub fn wait(&self, stream: u64) -> Answer {
        call!(self, cuStreamSynchronize(stream => u64))
    }

    pub fn event(&self) -> u64 {
        let mut event = 0;
        call!(self, cuEventCreate(&mut event => *mut u64, 0 => u32)).expect("an event");
        event
    }

    pub fn module(&self, text: &str) -> Answer<u64> {
        let text = CString::new(text).expect("a text");
        let mut module = 0;
        call!(self, cuModuleLoadData(&mut module => *mut u64, text.as_ptr() => *const i8))?;
        Ok(module)
    }

    pub fn kernel(&self) -> u64 {
        let module = self.module(PTX).expect("a module");
        let mut function = 0;
        let name = c"store".as_ptr();
        call!(self, cuModuleGetFunction(&mut function => *mut u64, module => u64, name => *const i8))
            .expect("a kernel");
        function
    }

    /// Launches `store`, which writes `value` to `address`, with a block of so many threads.
    pub fn launch(
        &self,
        kernel: u64,
        stream: u64,
        address: u64,
        value: u32,
        threads: u32,
    ) -> Answer {
        let mut parameters = [
            (&raw const address).cast(),
            (&raw const value).cast::<c_void>(),
        ];
        call!(self, cuLaunchKernel(
            kernel => u64, 1 => u32, 1 => u32, 1 => u32, threads => u32, 1 => u32, 1 => u32, 0 => u32,
            stream => u64, parameters.as_mut_ptr() => *mut *const c_void,
            std::ptr::null() => *const c_void
        ))
    }
}
