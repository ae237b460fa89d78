use std::ffi::{c_int, c_void};

use virtual_gpu::harness::virtual_gpu;

use super::cuda::{Cuda, call};

#[test]
fn launches_copies_waits_and_bytes_are_counted() {
    if !virtual_gpu("counts::launches_copies_waits_and_bytes_are_counted", &[]) {
        return;
    }
    let cuda = Cuda::open(0);
    let (kernel, stream) = (cuda.kernel(), cuda.stream());
    let first = cuda.allocate(1 << 20).expect("memory");
    let second = cuda.allocate(3 << 20).expect("memory");
    cuda.upload(first, &[7; 1000]).expect("a copy");
    assert_eq!(cuda.download(first, 1000).expect("a copy"), [7; 1000]);
    for _ in 0..3 {
        cuda.launch(kernel, stream, first, 5, 32).expect("a launch");
    }
    cuda.wait(stream).expect("the work is done");
    cuda.free(first).expect("freed");
    let counts = cuda.gpu.counts();
    assert_eq!(
        [
            counts.launches,
            counts.kernels,
            counts.modules,
            counts.streams
        ],
        [3, 3, 1, 1]
    );
    assert_eq!(
        [counts.uploads, counts.upload_bytes, counts.uploads_pinned],
        [1, 1000, 0]
    );
    assert_eq!([counts.downloads, counts.download_bytes], [1, 1000]);
    assert_eq!(
        [counts.stream_waits, counts.waiting_copies, counts.waits()],
        [1, 2, 3]
    );
    assert_eq!([counts.allocations, counts.frees], [2, 1]);
    assert_eq!([counts.bytes, counts.peak_bytes], [3 << 20, 4 << 20]);
    assert_eq!(counts.largest_allocation, 3 << 20);
    let kernels = cuda.gpu.kernels();
    assert_eq!(kernels["store"].runs, 3);
    assert_eq!(
        (kernels["store"].grid, kernels["store"].block),
        ([1; 3], [32, 1, 1])
    );
    assert_eq!(cuda.gpu.modules().len(), 1);
    assert!(cuda.gpu.modules()[0].contains(".entry store"));

    cuda.gpu.reset_counts();
    let counts = cuda.gpu.counts();
    assert_eq!(
        [counts.launches, counts.bytes, counts.peak_bytes],
        [0, 3 << 20, 3 << 20]
    );
    assert!(cuda.gpu.kernels().is_empty());
    cuda.free(second).expect("freed");
    assert_eq!(cuda.gpu.counts().bytes, 0);
    cuda.gpu.reset_peak();
    assert_eq!(cuda.gpu.counts().peak_bytes, 0);
}

#[test]
fn pinned_memory_is_told_from_pageable() {
    if !virtual_gpu("counts::pinned_memory_is_told_from_pageable", &[]) {
        return;
    }
    let cuda = Cuda::open(0);
    let (stream, device) = (cuda.stream(), cuda.allocate(4096).expect("memory"));
    let mut pinned: *mut c_void = std::ptr::null_mut();
    call!(cuda, cuMemAllocHost_v2(&mut pinned => *mut *mut c_void, 4096 => usize)).expect("pinned");
    let inside = pinned.wrapping_byte_add(100);
    call!(cuda, cuMemcpyHtoDAsync_v2(device => u64, inside => *mut c_void, 64 => usize, stream => u64))
        .expect("a copy");
    call!(cuda, cuMemcpyDtoHAsync_v2(inside => *mut c_void, device => u64, 64 => usize, stream => u64))
        .expect("a copy");
    let mut pageable = [0u8; 64];
    let target = pageable.as_mut_ptr();
    call!(cuda, cuMemcpyDtoHAsync_v2(target => *mut u8, device => u64, 64 => usize, stream => u64))
        .expect("a copy");
    let counts = cuda.gpu.counts();
    assert_eq!([counts.uploads, counts.uploads_pinned], [1, 1]);
    assert_eq!([counts.downloads, counts.downloads_pinned], [2, 1]);
    // Only the download to pageable memory made the host wait.
    assert_eq!(counts.waits(), 1);
    assert_eq!(
        [counts.pinned_bytes, counts.peak_pinned_bytes],
        [4096, 4096]
    );
    call!(cuda, cuMemFreeHost(pinned => *mut c_void)).expect("freed");
    assert_eq!(cuda.gpu.counts().pinned_bytes, 0);
}

#[test]
fn two_devices_count_apart() {
    let settings = [("VIRTUAL_GPU_DEVICES", "2")];
    if !virtual_gpu("counts::two_devices_count_apart", &settings) {
        return;
    }
    let one = Cuda::open(0);
    let mut count = 0;
    call!(one, cuDeviceGetCount(&mut count => *mut c_int)).expect("a count");
    assert_eq!(count, 2);
    one.allocate(1000).expect("memory");
    let two = Cuda::open(1);
    let kernel = two.kernel();
    let address = two.allocate(2000).expect("memory");
    two.launch(kernel, 0, address, 1, 1).expect("a launch");
    let mut device = -1;
    call!(two, cuPointerGetAttribute(&mut device => *mut c_int, 9 => c_int, address => u64))
        .expect("an attribute");
    assert_eq!(device, 1);
    let (first, second) = (one.gpu.counts(), two.gpu.counts());
    assert_eq!([first.bytes, first.launches], [1000, 0]);
    assert_eq!([second.bytes, second.launches], [2000, 1]);
    // A device that fails leaves the other alone.
    two.gpu.fail_launch(1);
    two.launch(kernel, 0, address, 1, 1).expect("a launch");
    assert_eq!(two.wait(0), Err(700));
    assert_eq!(two.allocate(10), Err(700));
    one.retain(0);
    one.allocate(10).expect("memory");
    assert!(virtual_gpu::client::Gpu::find(2).is_some_and(|gpu| gpu.has(c"cuInit")));
}

#[test]
fn a_machine_without_devices_says_so() {
    let settings = [("VIRTUAL_GPU_DEVICES", "0")];
    if !virtual_gpu("counts::a_machine_without_devices_says_so", &settings) {
        return;
    }
    let cuda = Cuda::load(0);
    assert_eq!(call!(cuda, cuInit(0 => u32)), Err(100));
}
