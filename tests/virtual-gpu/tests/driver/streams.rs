use std::ffi::c_void;

use virtual_gpu::harness::virtual_gpu;

use super::cuda::{Cuda, call};

fn pinned(cuda: &Cuda, bytes: &[u8]) -> *mut u8 {
    let mut pointer: *mut u8 = std::ptr::null_mut();
    call!(cuda, cuMemAllocHost_v2(&mut pointer => *mut *mut u8, bytes.len() => usize))
        .expect("pinned");
    write(pointer, bytes);
    pointer
}

fn write(pointer: *mut u8, bytes: &[u8]) {
    // SAFETY: the tests allocate as many bytes there.
    unsafe { pointer.copy_from(bytes.as_ptr(), bytes.len()) };
}

fn read(pointer: *const u8) -> u8 {
    // SAFETY: the tests allocate a byte there at least.
    unsafe { pointer.read_volatile() }
}

#[test]
fn late_work_runs_when_it_is_waited_for() {
    let settings = [("VIRTUAL_GPU_LATE", "1")];
    if !virtual_gpu("streams::late_work_runs_when_it_is_waited_for", &settings) {
        return;
    }
    let cuda = Cuda::open(0);
    let [stream, other] = [cuda.stream(), cuda.stream()];
    let [first, second] = [(); 2].map(|()| cuda.allocate(16).expect("memory"));
    let source = pinned(&cuda, &[1; 16]);
    let upload = |target: u64, source: *const u8| {
        call!(cuda, cuMemcpyHtoDAsync_v2(target => u64, source => *const u8, 16 => usize, stream => u64))
            .expect("a copy");
    };
    upload(first, source);
    // Pageable memory is taken at once, pinned memory when the copy runs.
    let mut pageable = [2u8; 16];
    upload(second, pageable.as_ptr());
    pageable.fill(9);
    write(source, &[3; 16]);
    // Another stream does not wait by itself.
    let target = pinned(&cuda, &[0; 16]);
    let download = |from: u64| {
        let target: *mut c_void = target.cast();
        call!(cuda, cuMemcpyDtoHAsync_v2(target => *mut c_void, from => u64, 16 => usize, other => u64))
            .expect("a copy");
        cuda.wait(other).expect("the work is done");
        read(target.cast())
    };
    assert_eq!(download(first), 0);
    // Through an event it does.
    let event = cuda.event();
    call!(cuda, cuEventRecord(event => u64, stream => u64)).expect("recorded");
    call!(cuda, cuStreamWaitEvent(other => u64, event => u64, 0 => u32)).expect("ordered");
    assert_eq!(download(first), 3);
    assert_eq!(download(second), 2);
    assert_eq!(cuda.gpu.counts().streams_ordered, 1);
}

#[test]
fn events_take_times() {
    if !virtual_gpu("streams::events_take_times", &[]) {
        return;
    }
    let cuda = Cuda::open(0);
    let (stream, start, end) = (cuda.stream(), cuda.event(), cuda.event());
    let elapsed = || {
        let mut milliseconds = 0f32;
        call!(cuda, cuEventElapsedTime(&mut milliseconds => *mut f32, start => u64, end => u64))?;
        Ok::<_, i32>(milliseconds)
    };
    assert_eq!(elapsed(), Err(400));
    call!(cuda, cuEventRecord(start => u64, stream => u64)).expect("recorded");
    std::thread::sleep(std::time::Duration::from_millis(5));
    call!(cuda, cuEventRecord(end => u64, stream => u64)).expect("recorded");
    call!(cuda, cuEventSynchronize(end => u64)).expect("reached");
    assert!(elapsed().expect("a time") >= 5.0);
    assert_eq!(cuda.gpu.counts().event_waits, 1);
    call!(cuda, cuEventDestroy_v2(start => u64)).expect("destroyed");
    assert_eq!(call!(cuda, cuEventDestroy_v2(start => u64)), Err(400));
}
