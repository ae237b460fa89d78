use std::ffi::c_int;

use virtual_gpu::harness::{self, virtual_gpu};

use super::cuda::{Cuda, call};

#[test]
fn the_nth_allocation_fails() {
    let settings = [("VIRTUAL_GPU_FAIL_ALLOCATION", "2")];
    if !virtual_gpu("failures::the_nth_allocation_fails", &settings) {
        return;
    }
    let cuda = Cuda::open(0);
    assert!(cuda.allocate(100).is_ok());
    assert_eq!(cuda.allocate(100), Err(2));
    assert!(cuda.allocate(100).is_ok());
    cuda.gpu.fail_allocations_from(2);
    assert!(cuda.allocate(100).is_ok());
    assert_eq!(cuda.allocate(100), Err(2));
    assert_eq!(cuda.allocate(100), Err(2));
    cuda.gpu.fail_allocation(0);
    assert!(cuda.allocate(100).is_ok());
    cuda.gpu.limit_allocation(Some(1000));
    assert_eq!(cuda.allocate(1001), Err(2));
    assert!(cuda.allocate(1000).is_ok());
    assert_eq!(cuda.gpu.counts().refused_allocations, 4);
}

#[test]
fn a_full_device_refuses() {
    let settings = [
        ("VIRTUAL_GPU_MEMORY_MIB", "1000"),
        ("VIRTUAL_GPU_CONTEXT_MIB", "300"),
        ("VIRTUAL_GPU_OTHERS_MIB", "100"),
    ];
    if !virtual_gpu("failures::a_full_device_refuses", &settings) {
        return;
    }
    let cuda = Cuda::open(0);
    let (mut free, mut total) = (0usize, 0usize);
    let mut info = || {
        call!(cuda, cuMemGetInfo_v2(&mut free => *mut usize, &mut total => *mut usize))
            .expect("told");
        (free >> 20, total >> 20)
    };
    assert_eq!(info(), (600, 1000));
    let most = cuda.allocate(600 << 20).expect("memory");
    assert_eq!(info(), (0, 1000));
    assert_eq!(cuda.allocate(1), Err(2));
    cuda.free(most).expect("freed");
    assert_eq!(cuda.free(most), Err(1));
    cuda.gpu.set_others(200 << 20);
    assert_eq!(cuda.allocate(600 << 20), Err(2));
    assert!(cuda.allocate(500 << 20).is_ok());
}

#[test]
fn a_kernel_that_fails_ends_its_context() {
    if !virtual_gpu("failures::a_kernel_that_fails_ends_its_context", &[]) {
        return;
    }
    let cuda = Cuda::open(0);
    let (kernel, stream) = (cuda.kernel(), cuda.stream());
    let address = cuda.allocate(100).expect("memory");
    cuda.gpu.fail_launch(2);
    // The launch itself succeeds, and those after it, as the host runs ahead.
    for _ in 0..3 {
        cuda.launch(kernel, stream, address, 1, 1)
            .expect("a launch");
    }
    assert_eq!(cuda.wait(stream), Err(700));
    // From then on every call fails.
    assert_eq!(cuda.launch(kernel, stream, address, 1, 1), Err(700));
    assert_eq!(cuda.wait(stream), Err(700));
    assert_eq!(cuda.allocate(100), Err(700));
    assert_eq!(cuda.free(address), Err(700));
    assert_eq!(cuda.download(address, 4), Err(700));
    assert_eq!(call!(cuda, cuCtxSynchronize()), Err(700));
    // The end of the context frees all and forgets the failure.
    call!(cuda, cuDevicePrimaryCtxReset_v2(0 => c_int)).expect("reset");
    assert_eq!(cuda.gpu.counts().bytes, 0);
    assert_eq!(cuda.allocate(100), Err(709));
    cuda.retain(0);
    assert_eq!(cuda.wait(stream), Err(400));
    let (kernel, address) = (cuda.kernel(), cuda.allocate(100).expect("memory"));
    cuda.launch(kernel, 0, address, 1, 1).expect("a launch");
    cuda.wait(0).expect("the work is done");
}

#[test]
fn a_copy_that_fails_ends_its_context() {
    if !virtual_gpu("failures::a_copy_that_fails_ends_its_context", &[]) {
        return;
    }
    let cuda = Cuda::open(0);
    let stream = cuda.stream();
    let address = cuda.allocate(4).expect("memory");
    cuda.gpu.fail_copy(2);
    cuda.upload(address, &[1; 4]).expect("the first");
    // The host waits for this copy.
    assert_eq!(cuda.download(address, 4), Err(700));
    assert_eq!(cuda.wait(stream), Err(700));
    assert_eq!(cuda.upload(address, &[1; 4]), Err(700));
}

#[test]
fn a_wait_that_fails_ends_the_context() {
    if !virtual_gpu("failures::a_wait_that_fails_ends_the_context", &[]) {
        return;
    }
    let cuda = Cuda::open(0);
    let stream = cuda.stream();
    cuda.gpu.fail_wait(2);
    cuda.wait(stream).expect("the first");
    assert_eq!(cuda.wait(stream), Err(719));
    assert_eq!(cuda.wait(stream), Err(719));
    assert_eq!(cuda.allocate(4), Err(719));
}

#[test]
fn a_thread_without_a_context_is_told() {
    if !virtual_gpu("failures::a_thread_without_a_context_is_told", &[]) {
        return;
    }
    let cuda = Cuda::open(0);
    let address = cuda.allocate(100).expect("memory");
    std::thread::scope(|scope| {
        let other = scope.spawn(|| (cuda.allocate(100), cuda.free(address)));
        assert_eq!(other.join().expect("no panic"), (Err(201), Err(201)));
    });
    let mut context = 0;
    call!(cuda, cuCtxGetCurrent(&mut context => *mut u64)).expect("told");
    call!(cuda, cuCtxPushCurrent_v2(context => u64)).expect("pushed");
    call!(cuda, cuCtxPopCurrent_v2(&mut context => *mut u64)).expect("popped");
    cuda.free(address).expect("freed");
    call!(cuda, cuDevicePrimaryCtxRelease_v2(0 => c_int)).expect("released");
    assert_eq!(
        call!(cuda, cuDevicePrimaryCtxRelease_v2(0 => c_int)),
        Err(201)
    );
}

#[test]
fn a_wrong_setting_ends_the_process() {
    let settings = [("VIRTUAL_GPU_MODE", "countt")];
    match harness::output("failures::a_wrong_setting_ends_the_process", &settings) {
        Some(output) => {
            assert!(!output.status.success());
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(
                text.contains("VIRTUAL_GPU_MODE=countt is not one of: count, compute"),
                "{text}"
            );
        }
        None => drop(Cuda::open(0)),
    }
}
