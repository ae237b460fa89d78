//! Reads the memory of a CUDA device from NVIDIA's driver. Without the driver's libraries every
//! function returns `None`.

use std::{
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    process, ptr,
    sync::OnceLock,
};

use crate::device::cuda::NvidiaLibrary;

/// The free and the total bytes of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    pub free: u64,
    pub total: u64,
}

/// A device by CUDA's numbering.
#[derive(Debug)]
pub struct CudaDevice {
    device: c_int,
    /// The device's PCI address, for NVML; `None` where only CUDA reports its memory.
    bus: Option<BusId>,
}

type BusId = [c_char; 32];

impl CudaDevice {
    /// Finds device `n`. Opens no context.
    pub fn find(n: usize) -> Option<Self> {
        let cuda = cuda()?;
        let mut device = 0;
        let mut bus: BusId = [0; 32];
        let mut total = 0usize;
        // SAFETY: the signatures are CUDA's. Each pointer is to a local of its type and, for `bus`,
        // of the length passed.
        let bus_known = unsafe {
            done((cuda.device_get)(&mut device, c_int::try_from(n).ok()?))?;
            done((cuda.device_total)(&mut total, device))?;
            done((cuda.bus_id)(bus.as_mut_ptr(), 32, device))
        };
        // NVML reports the whole GPU where CUDA may have been given a slice of it.
        let whole = |bytes: Bytes| is_whole(total as u64, bytes.total);
        let seen = bus_known
            .and_then(|()| nvml())
            .and_then(|nvml| nvml.memory(&bus));
        Some(Self {
            device,
            bus: seen.is_some_and(whole).then_some(bus),
        })
    }

    /// Returns the device's memory. Without NVML this opens the context that computing needs
    /// anyway.
    pub fn memory(&self) -> Option<Bytes> {
        match &self.bus {
            Some(bus) => nvml()?.memory(bus),
            None => cuda()?.memory(self.device),
        }
    }

    /// Returns the bytes of this process; `None` where the driver lists no processes (in a
    /// container) or not this one.
    pub fn own(&self) -> Option<u64> {
        nvml()?.own(self.bus.as_ref()?)
    }
}

/// Returns whether CUDA's usable bytes are those of the whole GPU that NVML sees, less the driver's
/// own.
fn is_whole(usable: u64, whole: u64) -> bool {
    usable >= whole / 4 * 3
}

/// Converts a status of NVML or CUDA. Both return 0 for success.
fn done(status: c_int) -> Option<()> {
    (status == 0).then_some(())
}

struct Cuda {
    device_get: unsafe extern "C" fn(*mut c_int, c_int) -> c_int,
    device_total: unsafe extern "C" fn(*mut usize, c_int) -> c_int,
    bus_id: unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int,
    retain: unsafe extern "C" fn(*mut *mut c_void, c_int) -> c_int,
    release: unsafe extern "C" fn(c_int) -> c_int,
    push: unsafe extern "C" fn(*mut c_void) -> c_int,
    pop: unsafe extern "C" fn(*mut *mut c_void) -> c_int,
    memory: unsafe extern "C" fn(*mut usize, *mut usize) -> c_int,
}

fn cuda() -> Option<&'static Cuda> {
    static CUDA: OnceLock<Option<Cuda>> = OnceLock::new();
    CUDA.get_or_init(Cuda::load).as_ref()
}

impl Cuda {
    fn load() -> Option<Self> {
        // SAFETY: each type above is the C signature of its symbol in cuda.h since CUDA 4
        // (`CUdevice` is an int, `CUcontext` a pointer).
        unsafe {
            let library = NvidiaLibrary::driver()?;
            let init = library.function::<unsafe extern "C" fn(c_uint) -> c_int>(c"cuInit");
            done(init?(0))?;
            Some(Self {
                device_get: library.function(c"cuDeviceGet")?,
                device_total: library.function(c"cuDeviceTotalMem_v2")?,
                bus_id: library.function(c"cuDeviceGetPCIBusId")?,
                retain: library.function(c"cuDevicePrimaryCtxRetain")?,
                release: library.function(c"cuDevicePrimaryCtxRelease_v2")?,
                push: library.function(c"cuCtxPushCurrent_v2")?,
                pop: library.function(c"cuCtxPopCurrent_v2")?,
                memory: library.function(c"cuMemGetInfo_v2")?,
            })
        }
    }

    fn memory(&self, device: c_int) -> Option<Bytes> {
        let (mut free, mut total) = (0usize, 0usize);
        let mut context = ptr::null_mut();
        // SAFETY: `device` came from `device_get`. The context is retained while it is current
        // and popped off this thread's stack before it is released, whatever the query
        // returned. The pointers are to locals.
        let answer = unsafe {
            done((self.retain)(&mut context, device))?;
            let answer = done((self.push)(context)).and_then(|()| {
                let answer = done((self.memory)(&mut free, &mut total));
                (self.pop)(&mut context);
                answer
            });
            (self.release)(device);
            answer
        };
        answer.map(|()| Bytes {
            free: free as u64,
            total: total as u64,
        })
    }
}

/// `nvmlMemory_t`.
#[repr(C)]
#[derive(Default)]
struct NvmlMemory {
    total: u64,
    free: u64,
    used: u64,
}

/// `nvmlProcessInfo_t` of the functions `_v2` and `_v3`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct NvmlProcess {
    pid: c_uint,
    bytes: u64,
    instances: [c_uint; 2],
}

type Handle = *mut c_void;

struct Nvml {
    handle: unsafe extern "C" fn(*const c_char, *mut Handle) -> c_int,
    memory: unsafe extern "C" fn(Handle, *mut NvmlMemory) -> c_int,
    processes: Option<unsafe extern "C" fn(Handle, *mut c_uint, *mut NvmlProcess) -> c_int>,
}

fn nvml() -> Option<&'static Nvml> {
    static NVML: OnceLock<Option<Nvml>> = OnceLock::new();
    NVML.get_or_init(Nvml::load).as_ref()
}

impl Nvml {
    fn load() -> Option<Self> {
        // SAFETY: each type above is the C signature of its symbol in nvml.h; a newer struct has a
        // newer name. The library stays loaded and initialised.
        unsafe {
            let library = NvidiaLibrary::nvml()?;
            let init = library.function::<unsafe extern "C" fn() -> c_int>(c"nvmlInit_v2");
            done(init?())?;
            let names = [
                c"nvmlDeviceGetComputeRunningProcesses_v3",
                c"nvmlDeviceGetComputeRunningProcesses_v2",
            ];
            let processes = names.into_iter().find_map(|name| library.function(name));
            Some(Self {
                handle: library.function(c"nvmlDeviceGetHandleByPciBusId_v2")?,
                memory: library.function(c"nvmlDeviceGetMemoryInfo")?,
                processes,
            })
        }
    }

    fn device(&self, bus: &BusId) -> Option<Handle> {
        let mut handle = ptr::null_mut();
        // SAFETY: `bus` is a local array that CUDA ended with a zero; it was all zeros before.
        unsafe {
            let text = CStr::from_ptr(bus.as_ptr());
            done((self.handle)(text.as_ptr(), &mut handle))?;
        }
        Some(handle)
    }

    fn memory(&self, bus: &BusId) -> Option<Bytes> {
        let device = self.device(bus)?;
        let mut memory = NvmlMemory::default();
        // SAFETY: the handle was just given, and the struct is NVML's.
        done(unsafe { (self.memory)(device, &mut memory) })?;
        Some(Bytes {
            free: memory.free,
            total: memory.total,
        })
    }

    fn own(&self, bus: &BusId) -> Option<u64> {
        let (device, processes) = (self.device(bus)?, self.processes?);
        // Room for more processes than a device usually has; one more try where that was too
        // little.
        let mut list = vec![NvmlProcess::default(); 64];
        for _ in 0..2 {
            let mut count = list.len() as c_uint;
            // SAFETY: `count` says how many entries `list` has room for; NVML writes no more
            // and says how many there are.
            let status = unsafe { processes(device, &mut count, list.as_mut_ptr()) };
            let count = count as usize;
            if status == 0 {
                return bytes_of(process::id(), &list[..count.min(list.len())]);
            }
            if count <= list.len() {
                return None;
            }
            list.resize(count + 16, NvmlProcess::default());
        }
        None
    }
}

fn bytes_of(pid: u32, list: &[NvmlProcess]) -> Option<u64> {
    let own = list.iter().find(|process| process.pid == pid)?;
    // NVML_VALUE_NOT_AVAILABLE.
    (own.bytes != u64::MAX).then_some(own.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_where_it_is_listed_with_its_bytes() {
        let process = |pid, bytes| NvmlProcess {
            pid,
            bytes,
            ..NvmlProcess::default()
        };
        let list = [process(7, 100), process(8, u64::MAX)];
        assert_eq!(bytes_of(7, &list), Some(100));
        assert_eq!(bytes_of(8, &list), None);
        assert_eq!(bytes_of(9, &list), None);
    }

    #[test]
    fn a_slice_of_a_gpu_is_not_the_whole() {
        assert!(is_whole(79 << 30, 80 << 30));
        assert!(!is_whole(10 << 30, 80 << 30));
    }

    #[test]
    fn a_gpu_that_is_absent_is_none() {
        assert!(CudaDevice::find(4096).is_none());
        assert!(CudaDevice::find(usize::MAX).is_none());
    }
}
