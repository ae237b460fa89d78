use std::ffi::c_int;

use virtual_gpu::harness::virtual_gpu;

use super::cuda::{Answer, Cuda, call};

pub const GLOBAL: c_int = 0;
const RELAXED: c_int = 2;

pub fn begin(cuda: &Cuda, stream: u64, mode: c_int) {
    call!(cuda, cuStreamBeginCapture_v2(stream => u64, mode => c_int)).expect("a capture");
}

pub fn end(cuda: &Cuda, stream: u64) -> Answer<u64> {
    let mut graph = 0;
    call!(cuda, cuStreamEndCapture(stream => u64, &mut graph => *mut u64))?;
    Ok(graph)
}

pub fn executable(cuda: &Cuda, graph: u64) -> u64 {
    let mut made = 0;
    call!(cuda, cuGraphInstantiateWithFlags(&mut made => *mut u64, graph => u64, 0 => u64))
        .expect("an executable graph");
    call!(cuda, cuGraphDestroy(graph => u64)).expect("destroyed");
    made
}

pub fn launch(cuda: &Cuda, graph: u64, stream: u64) -> Answer {
    call!(cuda, cuGraphLaunch(graph => u64, stream => u64))
}

#[test]
fn a_replay_is_one_launch() {
    if !virtual_gpu("graphs::a_replay_is_one_launch", &[]) {
        return;
    }
    let cuda = Cuda::open(0);
    let (kernel, stream) = (cuda.kernel(), cuda.stream());
    let address = cuda.allocate(8).expect("memory");
    cuda.upload(address, &[1, 2, 3, 4, 5, 6, 7, 8])
        .expect("a copy");
    begin(&cuda, stream, GLOBAL);
    for _ in 0..5 {
        cuda.launch(kernel, stream, address, 1, 1)
            .expect("recorded");
    }
    call!(cuda, cuMemcpyDtoDAsync_v2(address => u64, address + 4 => u64, 4 => usize, stream => u64))
        .expect("recorded");
    let mut status = 0;
    call!(cuda, cuStreamIsCapturing(stream => u64, &mut status => *mut c_int)).expect("told");
    assert_eq!(status, 1);
    let graph = end(&cuda, stream).expect("a graph");
    // Nothing has run yet.
    assert_eq!(
        [cuda.gpu.counts().launches, cuda.gpu.counts().device_copies],
        [0, 0]
    );
    let (mut count, mut kind) = (0usize, -1);
    let none: *mut u64 = std::ptr::null_mut();
    call!(cuda, cuGraphGetNodes(graph => u64, none => *mut u64, &mut count => *mut usize))
        .expect("told");
    let mut nodes = vec![0u64; count];
    let pointer = nodes.as_mut_ptr();
    call!(cuda, cuGraphGetNodes(graph => u64, pointer => *mut u64, &mut count => *mut usize))
        .expect("told");
    call!(cuda, cuGraphNodeGetType(nodes[5] => u64, &mut kind => *mut c_int)).expect("told");
    assert_eq!((count, kind), (6, 1));
    let graph = executable(&cuda, graph);
    for _ in 0..2 {
        launch(&cuda, graph, stream).expect("a launch");
    }
    cuda.wait(stream).expect("the work is done");
    let counts = cuda.gpu.counts();
    assert_eq!(
        [counts.launches, counts.graph_launches, counts.kernels],
        [2, 2, 10]
    );
    assert_eq!(counts.device_copies, 2);
    assert_eq!(cuda.gpu.kernels()["store"].in_graphs, 10);
    assert_eq!(cuda.download(address, 4).expect("a copy"), [5, 6, 7, 8]);
    // A launch that fails may be a graph's.
    cuda.gpu.fail_launch(1);
    launch(&cuda, graph, stream).expect("a launch");
    assert_eq!(cuda.wait(stream), Err(700));
}

#[test]
fn waiting_or_allocating_spoils_a_capture() {
    if !virtual_gpu("graphs::waiting_or_allocating_spoils_a_capture", &[]) {
        return;
    }
    let cuda = Cuda::open(0);
    let (stream, other) = (cuda.stream(), cuda.stream());
    begin(&cuda, stream, GLOBAL);
    assert_eq!(cuda.wait(stream), Err(900));
    assert_eq!(end(&cuda, stream), Err(901));
    begin(&cuda, stream, GLOBAL);
    assert_eq!(cuda.allocate(100), Err(900));
    assert_eq!(end(&cuda, stream), Err(901));
    // Another stream may be waited for, and in a relaxed capture anything done beside it.
    begin(&cuda, stream, RELAXED);
    cuda.wait(other).expect("not capturing");
    cuda.allocate(100).expect("memory");
    end(&cuda, stream).expect("a graph");
    // A global capture forbids these calls on all threads.
    begin(&cuda, stream, GLOBAL);
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            cuda.retain(0);
            cuda.allocate(100)
        });
        assert_eq!(thread.join().expect("no panic"), Err(900));
    });
    assert_eq!(end(&cuda, stream), Err(901));
    // The default stream captures nothing.
    assert_eq!(
        call!(cuda, cuStreamBeginCapture_v2(0 => u64, GLOBAL => c_int)),
        Err(900)
    );
}

#[test]
fn a_stream_joins_a_capture_through_an_event() {
    if !virtual_gpu("graphs::a_stream_joins_a_capture_through_an_event", &[]) {
        return;
    }
    let cuda = Cuda::open(0);
    let (kernel, address) = (cuda.kernel(), cuda.allocate(8).expect("memory"));
    let [stream, other] = [cuda.stream(), cuda.stream()];
    let [fork, join] = [cuda.event(), cuda.event()];
    let record = |event: u64, stream: u64| {
        call!(cuda, cuEventRecord(event => u64, stream => u64)).expect("recorded");
    };
    let order = |stream: u64, event: u64| call!(cuda, cuStreamWaitEvent(stream => u64, event => u64, 0 => u32));
    let fork_and_launch = || {
        begin(&cuda, stream, GLOBAL);
        record(fork, stream);
        order(other, fork).expect("joined");
        cuda.launch(kernel, other, address, 1, 1).expect("recorded");
    };
    fork_and_launch();
    record(join, other);
    order(stream, join).expect("rejoined");
    let graph = executable(&cuda, end(&cuda, stream).expect("a graph"));
    launch(&cuda, graph, stream).expect("a launch");
    assert_eq!(
        [cuda.gpu.counts().launches, cuda.gpu.counts().kernels],
        [1, 1]
    );
    // Without the way back.
    fork_and_launch();
    assert_eq!(end(&cuda, stream), Err(904));
    // A wait for work outside of the capture.
    record(join, other);
    begin(&cuda, stream, GLOBAL);
    assert_eq!(order(stream, join), Err(905));
    assert_eq!(end(&cuda, stream), Err(901));
    // An event of a capture cannot be waited for.
    begin(&cuda, stream, GLOBAL);
    record(fork, stream);
    assert_eq!(call!(cuda, cuEventSynchronize(fork => u64)), Err(907));
}
