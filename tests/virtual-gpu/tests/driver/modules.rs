use std::ffi::{c_int, c_void};

use virtual_gpu::harness::virtual_gpu;

use super::cuda::{Cuda, PTX, call};

#[test]
fn modules_are_checked_as_a_driver_does() {
    let settings = [("VIRTUAL_GPU_DRIVER", "12000")];
    if !virtual_gpu("modules::modules_are_checked_as_a_driver_does", &settings) {
        return;
    }
    let cuda = Cuda::open(0);
    cuda.module(PTX).expect("a module");
    let changed = |from, to| cuda.module(&PTX.replace(from, to));
    changed(".version 7.0", ".version 8.0").expect("CUDA 12.0 knows it");
    assert_eq!(changed(".version 7.0", ".version 8.1"), Err(222));
    assert_eq!(changed("sm_75", "sm_90"), Err(209));
    assert_eq!(changed("sm_75", "sm_80a"), Err(209));
    assert_eq!(cuda.module("no PTX"), Err(218));
    let extern_call = ".extern .func (.param .b32 r) __nv_expf(.param .b32 x);\n.visible";
    assert_eq!(changed(".visible", extern_call), Err(218));
}

#[test]
fn launches_are_checked_as_a_driver_does() {
    if !virtual_gpu("modules::launches_are_checked_as_a_driver_does", &[]) {
        return;
    }
    let cuda = Cuda::open(0);
    let (kernel, address) = (cuda.kernel(), cuda.allocate(8).expect("memory"));
    cuda.launch(kernel, 0, address, 1, 256).expect("a launch");
    // More than the kernel declares, none, and a stream of another context.
    assert_eq!(cuda.launch(kernel, 0, address, 1, 257), Err(1));
    assert_eq!(cuda.launch(kernel, 0, address, 1, 0), Err(1));
    assert_eq!(cuda.launch(kernel, 12345, address, 1, 1), Err(400));
    assert_eq!(
        [cuda.gpu.counts().launches, cuda.gpu.counts().refused_work],
        [1, 2]
    );
    let set =
        |bytes: c_int| call!(cuda, cuFuncSetAttribute(kernel => u64, 8 => c_int, bytes => c_int));
    set(99 << 10).expect("sm_86 has it");
    assert_eq!(set((99 << 10) + 1), Err(1));
}

#[test]
fn older_drivers_lack_newer_functions() {
    let settings = [
        ("VIRTUAL_GPU_DRIVER", "12040"),
        ("VIRTUAL_GPU_MISSING", "cuMemAllocAsync, cuGraphLaunch"),
    ];
    if !virtual_gpu("modules::older_drivers_lack_newer_functions", &settings) {
        return;
    }
    let cuda = Cuda::open(0);
    for missing in [
        "cuEventElapsedTime_v2",
        "cuCtxCreate_v4",
        "cuMemAllocAsync",
        "cuGraphLaunch",
    ] {
        assert!(!cuda.has(missing), "{missing}");
    }
    for present in [
        "cuEventElapsedTime",
        "cuCtxCreate_v3",
        "cuMemAlloc_v2",
        "cuMemAdvise_v2",
    ] {
        assert!(cuda.has(present), "{present}");
    }
    let find = |name: &std::ffi::CStr, version: c_int| {
        let (mut address, mut found): (*const c_void, c_int) = (std::ptr::null(), -1);
        let status = call!(cuda, cuGetProcAddress_v2(
            name.as_ptr() => *const i8, &mut address => *mut *const c_void, version => c_int,
            0 => u64, &mut found => *mut c_int
        ));
        status.map(|()| address)
    };
    assert_eq!(find(c"cuGraphLaunch", 12080), Err(500));
    assert_eq!(find(c"cuNoSuchFunction", 12080), Err(500));
    // SAFETY: the symbol is not called.
    let own = unsafe { cuda.function::<*const c_void>("cuCtxCreate_v3") };
    assert_eq!(find(c"cuCtxCreate", 12080), Ok(own));
}

#[test]
fn the_newest_driver_has_all() {
    let settings = [("VIRTUAL_GPU_DRIVER", "13000")];
    if !virtual_gpu("modules::the_newest_driver_has_all", &settings) {
        return;
    }
    let cuda = Cuda::open(0);
    for name in [
        "cuEventElapsedTime_v2",
        "cuEventElapsedTime",
        "cuCtxCreate_v4",
    ] {
        assert!(cuda.has(name), "{name}");
    }
    let mut version = 0;
    call!(cuda, cuDriverGetVersion(&mut version => *mut c_int)).expect("told");
    assert_eq!(version, 13000);
}
