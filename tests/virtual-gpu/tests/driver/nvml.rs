use std::ffi::{CStr, c_int, c_uint};

use libloading::Library;
use virtual_gpu::harness::virtual_gpu;

use super::cuda::Cuda;

/// `nvmlProcessInfo_t`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Process {
    pid: c_uint,
    bytes: u64,
    instances: [c_uint; 2],
}

/// NVML of this process, with a device.
struct Nvml {
    library: Library,
    device: u64,
}

impl Nvml {
    fn open(place: &CStr) -> Self {
        // SAFETY: loading NVML starts nothing.
        let library = unsafe { Library::new("libnvidia-ml.so.1") }.expect("NVML");
        let mut device = 0;
        // SAFETY: the types are those of nvml.h.
        unsafe {
            let init = library
                .get::<extern "C" fn() -> c_int>(b"nvmlInit_v2")
                .expect("a function");
            assert_eq!(init(), 0);
            let find = library
                .get::<extern "C" fn(*const i8, *mut u64) -> c_int>(
                    b"nvmlDeviceGetHandleByPciBusId_v2",
                )
                .expect("a function");
            assert_eq!(find(place.as_ptr(), &mut device), 0);
        }
        Self { library, device }
    }

    /// Total, free and used MiB.
    fn memory(&self) -> [u64; 3] {
        let mut memory = [0u64; 3];
        // SAFETY: the types are those of nvml.h: the structure is three numbers.
        unsafe {
            let read = self
                .library
                .get::<extern "C" fn(u64, *mut [u64; 3]) -> c_int>(b"nvmlDeviceGetMemoryInfo")
                .expect("a function");
            assert_eq!(read(self.device, &mut memory), 0);
        }
        memory.map(|bytes| bytes >> 20)
    }

    fn processes(&self, room: usize) -> Result<Vec<Process>, usize> {
        let (mut list, mut count) = (vec![Process::default(); room], room as c_uint);
        // SAFETY: the types are those of nvml.h, and the list has room for `count`.
        let status = unsafe {
            let read = self
                .library
                .get::<extern "C" fn(u64, *mut c_uint, *mut Process) -> c_int>(
                    b"nvmlDeviceGetComputeRunningProcesses_v3",
                )
                .expect("a function");
            read(self.device, &mut count, list.as_mut_ptr())
        };
        list.truncate(count as usize);
        match status {
            0 => Ok(list),
            _ => Err(count as usize),
        }
    }
}

#[test]
fn nvml_tells_of_cudas_memory() {
    let settings = [
        ("VIRTUAL_GPU_MEMORY_MIB", "8000"),
        ("VIRTUAL_GPU_CONTEXT_MIB", "300"),
        ("VIRTUAL_GPU_OTHERS_MIB", "50"),
    ];
    if !virtual_gpu("nvml::nvml_tells_of_cudas_memory", &settings) {
        return;
    }
    let nvml = Nvml::open(c"0000:01:00.0");
    assert_eq!(nvml.memory(), [8000, 7950, 50]);
    assert!(nvml.processes(4).expect("a list").is_empty());
    // The same library under two names: what one allocates the other sees.
    let cuda = Cuda::open(0);
    cuda.allocate(100 << 20).expect("memory");
    assert_eq!(nvml.memory(), [8000, 7550, 450]);
    assert_eq!(nvml.processes(1).err(), Some(2));
    let list = nvml.processes(4).expect("a list");
    let own = list
        .iter()
        .find(|process| process.pid == std::process::id());
    assert_eq!(own.map(|own| own.bytes >> 20), Some(400));
    let other = Nvml::open(c"00000000:01:00.0");
    assert_eq!(other.device, nvml.device);
}

#[test]
fn a_container_lists_no_processes() {
    let settings = [("VIRTUAL_GPU_PROCESSES", "none")];
    if !virtual_gpu("nvml::a_container_lists_no_processes", &settings) {
        return;
    }
    let _cuda = Cuda::open(0);
    assert!(
        Nvml::open(c"0000:01:00.0")
            .processes(4)
            .expect("a list")
            .is_empty()
    );
}

#[test]
fn another_namespace_lists_another_id() {
    let settings = [("VIRTUAL_GPU_PROCESSES", "foreign")];
    if !virtual_gpu("nvml::another_namespace_lists_another_id", &settings) {
        return;
    }
    let _cuda = Cuda::open(0);
    let list = Nvml::open(c"0000:01:00.0").processes(4).expect("a list");
    assert_eq!(list.len(), 1);
    assert_ne!(list[0].pid, std::process::id());
}

#[test]
fn a_slice_is_less_than_what_nvml_sees() {
    let settings = [
        ("VIRTUAL_GPU_MEMORY_MIB", "10000"),
        ("VIRTUAL_GPU_NVML_MEMORY_MIB", "80000"),
        ("VIRTUAL_GPU_PROCESSES", "no-bytes"),
    ];
    if !virtual_gpu("nvml::a_slice_is_less_than_what_nvml_sees", &settings) {
        return;
    }
    let _cuda = Cuda::open(0);
    let nvml = Nvml::open(c"0000:01:00.0");
    assert_eq!(nvml.memory()[0], 80000);
    assert_eq!(nvml.processes(4).expect("a list")[0].bytes, u64::MAX);
}

#[test]
fn nvml_may_be_off() {
    let settings = [("VIRTUAL_GPU_NVML", "off")];
    if !virtual_gpu("nvml::nvml_may_be_off", &settings) {
        return;
    }
    // SAFETY: loading NVML starts nothing, and the type is that of nvml.h.
    unsafe {
        let library = Library::new("libnvidia-ml.so.1").expect("NVML");
        let init = library
            .get::<extern "C" fn() -> c_int>(b"nvmlInit_v2")
            .expect("a function");
        assert_eq!(init(), 9);
    }
}
