use std::ffi::{c_int, c_void};

use virtual_gpu::harness::{self, virtual_gpu};

use super::cuda::{Cuda, call};

/// Fails unless the test dies on the virtual GPU with a line that contains `text`.
fn assert_dies(test: &str, text: &str) -> bool {
    let Some(output) = harness::output(test, &[]) else {
        return false;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "it lives: {said}");
    assert!(said.contains(text), "{said}");
    true
}

/// Reads a byte, as a kernel would.
fn read(address: u64) -> u8 {
    // SAFETY: none: the tests are about what happens then.
    unsafe { (address as *const u8).read_volatile() }
}

#[test]
fn reading_past_an_allocation_is_told() {
    let told = "the program touches 0x";
    if assert_dies("memory::reading_past_an_allocation_is_told", told) {
        return;
    }
    let cuda = Cuda::open(0);
    let address = cuda.allocate(1 << 20).expect("memory");
    assert_eq!(read(address + (1 << 20) - 1), 0);
    read(address + (1 << 20));
}

#[test]
fn the_line_says_how_far_past() {
    let told = "120 bytes past the end of an allocation of 5000 bytes";
    if assert_dies("memory::the_line_says_how_far_past", told) {
        return;
    }
    let cuda = Cuda::open(0);
    cuda.allocate(100).expect("memory");
    // Ends 120 bytes before its guard page.
    let address = cuda.allocate(5000).expect("memory");
    cuda.allocate(100).expect("memory");
    assert_eq!(address % 512, 0);
    read(address + 5000 + 120);
}

#[test]
fn reading_freed_memory_is_told() {
    let told = "10 bytes into 4096 bytes that were freed";
    if assert_dies("memory::reading_freed_memory_is_told", told) {
        return;
    }
    let cuda = Cuda::open(0);
    let address = cuda.allocate(4096).expect("memory");
    cuda.free(address).expect("freed");
    // Not given out again.
    let next = cuda.allocate(4096).expect("memory");
    assert!(next > address + 4096);
    read(address + 10);
}

#[test]
fn copies_stay_within_their_allocation() {
    if !virtual_gpu("memory::copies_stay_within_their_allocation", &[]) {
        return;
    }
    let cuda = Cuda::open(0);
    let address = cuda.allocate(1000).expect("memory");
    cuda.upload(address + 500, &[1; 500]).expect("a copy");
    assert_eq!(cuda.upload(address + 501, &[1; 500]), Err(1));
    assert_eq!(cuda.download(address, 1001), Err(1));
    let fill = |value: u8, bytes: usize| call!(cuda, cuMemsetD8_v2(address => u64, value => u8, bytes => usize));
    assert_eq!(fill(3, 1001), Err(1));
    fill(3, 500).expect("a fill");
    let all = cuda.download(address, 1000).expect("a copy");
    assert_eq!(all, [[3; 500], [1; 500]].concat());
}

#[test]
fn fresh_memory_is_poisoned_where_kernels_are_computed() {
    let settings = [("VIRTUAL_GPU_MODE", "compute")];
    if !virtual_gpu(
        "memory::fresh_memory_is_poisoned_where_kernels_are_computed",
        &settings,
    ) {
        return;
    }
    let cuda = Cuda::open(0);
    // More than a piece of the file that it is mapped from.
    let bytes = 40 << 20;
    let address = cuda.allocate(bytes).expect("memory");
    for place in [0, 1, 17 << 20, bytes as u64 - 1] {
        assert_eq!(cuda.download(address + place, 1).expect("a copy"), [0xff]);
    }
    cuda.upload(address, &[5]).expect("a copy");
    let other = cuda.allocate(100).expect("memory");
    assert_eq!(cuda.download(other, 1).expect("a copy"), [0xff]);
}

#[test]
fn rows_are_copied_with_their_pitch() {
    if !virtual_gpu("memory::rows_are_copied_with_their_pitch", &[]) {
        return;
    }
    let cuda = Cuda::open(0);
    let (mut address, mut pitch) = (0u64, 0usize);
    call!(cuda, cuMemAllocPitch_v2(
        &mut address => *mut u64, &mut pitch => *mut usize, 10 => usize, 3 => usize, 4 => u32
    ))
    .expect("memory");
    assert_eq!(pitch, 512);
    let source: Vec<u8> = (0..30).collect();
    let mut target = [0u8; 30];
    // x, y, kind, host, device, array, pitch, of both sides; width and height.
    let host = |pointer: u64| [0, 0, 1, pointer, 0, 0, 10];
    let device = [0, 0, 2, 0, address, 0, 512];
    let copy = |from: [u64; 7], to: [u64; 7]| {
        let description: Vec<u64> = from.into_iter().chain(to).chain([10, 3]).collect();
        call!(cuda, cuMemcpy2D_v2(description.as_ptr() => *const u64))
    };
    copy(host(source.as_ptr() as u64), device).expect("a copy");
    copy(device, host(target.as_mut_ptr() as u64)).expect("a copy");
    assert_eq!(target[..], source);
    assert_eq!(cuda.download(address + 512, 2).expect("a copy"), [10, 11]);
    let counts = cuda.gpu.counts();
    assert_eq!([counts.upload_bytes, counts.download_bytes], [30, 32]);
}

#[test]
fn a_pool_keeps_what_was_freed() {
    if !virtual_gpu("memory::a_pool_keeps_what_was_freed", &[]) {
        return;
    }
    let cuda = Cuda::open(0);
    let (stream, mut pool, mut address) = (cuda.stream(), 0u64, 0u64);
    call!(cuda, cuDeviceGetDefaultMemPool(&mut pool => *mut u64, 0 => c_int)).expect("a pool");
    let attribute = |number: c_int| {
        let mut value = 0u64;
        let pointer: *mut c_void = (&raw mut value).cast();
        call!(cuda, cuMemPoolGetAttribute(pool => u64, number => c_int, pointer => *mut c_void))
            .expect("an attribute");
        value
    };
    let free = || {
        let (mut free, mut total) = (0usize, 0usize);
        call!(cuda, cuMemGetInfo_v2(&mut free => *mut usize, &mut total => *mut usize))
            .expect("told");
        free as u64
    };
    let before = free();
    let mut threshold = 600u64;
    let pointer: *mut c_void = (&raw mut threshold).cast();
    call!(cuda, cuMemPoolSetAttribute(pool => u64, 4 => c_int, pointer => *mut c_void))
        .expect("set");
    call!(cuda, cuMemAllocAsync(&mut address => *mut u64, 1000 => usize, stream => u64))
        .expect("memory");
    assert_eq!([attribute(5), attribute(7)], [1000, 1000]);
    call!(cuda, cuMemFreeAsync(address => u64, stream => u64)).expect("freed");
    // Reserved, not used: of no use to others, until the host waits.
    assert_eq!([attribute(5), attribute(7), attribute(8)], [1000, 0, 1000]);
    assert_eq!(before - free(), 1000);
    cuda.wait(stream).expect("the work is done");
    assert_eq!([attribute(5), before - free()], [600, 600]);
    call!(cuda, cuMemPoolTrimTo(pool => u64, 0 => usize)).expect("trimmed");
    assert_eq!([attribute(5), before - free()], [0, 0]);
    let counts = cuda.gpu.counts();
    assert_eq!(
        [counts.allocations, counts.ordered_allocations, counts.bytes],
        [1, 1, 0]
    );
}

#[test]
fn physical_memory_is_mapped_to_addresses() {
    if !virtual_gpu("memory::physical_memory_is_mapped_to_addresses", &[]) {
        return;
    }
    let cuda = Cuda::open(0);
    let (piece, mut start) = (2usize << 20, 0u64);
    call!(cuda, cuMemAddressReserve(
        &mut start => *mut u64, 2 * piece => usize, 0 => usize, 0 => u64, 0 => u64
    ))
    .expect("addresses");
    // A kind, no handles, on a device, the first.
    let properties = [1i32, 0, 1, 0, 0, 0, 0, 0];
    let create = || {
        let mut memory = 0u64;
        let properties = properties.as_ptr();
        call!(cuda, cuMemCreate(
            &mut memory => *mut u64, piece => usize, properties => *const i32, 0 => u64
        ))?;
        Ok::<_, c_int>(memory)
    };
    let map = |address: u64, memory: u64| call!(cuda, cuMemMap(address => u64, piece => usize, 0 => usize, memory => u64, 0 => u64));
    let second = start + piece as u64;
    for address in [start, second] {
        let memory = create().expect("memory");
        map(address, memory).expect("mapped");
        assert_eq!(map(address, memory), Err(1));
        call!(cuda, cuMemRelease(memory => u64)).expect("released");
    }
    let access = [1i32, 0, 3];
    call!(cuda, cuMemSetAccess(
        start => u64, 2 * piece => usize, access.as_ptr() => *const i32, 1 => usize
    ))
    .expect("allowed");
    // Over the seam.
    cuda.upload(second - 2, &[1, 2, 3, 4]).expect("a copy");
    assert_eq!(cuda.download(second - 1, 2).expect("a copy"), [2, 3]);
    assert_eq!(cuda.gpu.counts().bytes, 2 * piece as u64);
    call!(cuda, cuMemUnmap(start => u64, 2 * piece => usize)).expect("unmapped");
    assert_eq!(cuda.gpu.counts().bytes, 0);
    assert_eq!(cuda.upload(start, &[1]), Err(1));
    call!(cuda, cuMemAddressFree(start => u64, 2 * piece => usize)).expect("given back");
}
