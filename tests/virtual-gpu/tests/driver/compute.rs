use virtual_gpu::harness::{self, virtual_gpu};

use super::{cuda::Cuda, graphs};

const COMPUTE: (&str, &str) = ("VIRTUAL_GPU_MODE", "compute");

#[test]
fn kernels_compute() {
    if !virtual_gpu("compute::kernels_compute", &[COMPUTE]) {
        return;
    }
    let cuda = Cuda::open(0);
    let (kernel, stream) = (cuda.kernel(), cuda.stream());
    let address = cuda.allocate(16).expect("memory");
    cuda.launch(kernel, stream, address + 4, 0x0403_0201, 1)
        .expect("a launch");
    cuda.wait(stream).expect("the work is done");
    let bytes = cuda.download(address, 12).expect("a copy");
    assert_eq!(
        bytes,
        [0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff]
    );
}

#[test]
fn graphs_compute_with_the_parameters_they_were_recorded_with() {
    let test = "compute::graphs_compute_with_the_parameters_they_were_recorded_with";
    if !virtual_gpu(test, &[COMPUTE]) {
        return;
    }
    let cuda = Cuda::open(0);
    let (kernel, stream) = (cuda.kernel(), cuda.stream());
    let address = cuda.allocate(4).expect("memory");
    graphs::begin(&cuda, stream, graphs::GLOBAL);
    cuda.launch(kernel, stream, address, 7, 1)
        .expect("recorded");
    let graph = graphs::executable(&cuda, graphs::end(&cuda, stream).expect("a graph"));
    for _ in 0..2 {
        cuda.upload(address, &[0; 4]).expect("a copy");
        graphs::launch(&cuda, graph, stream).expect("a launch");
        cuda.wait(stream).expect("the work is done");
        assert_eq!(cuda.download(address, 4).expect("a copy"), [7, 0, 0, 0]);
    }
}

#[test]
fn a_kernel_that_leaves_its_memory_is_named() {
    let test = "compute::a_kernel_that_leaves_its_memory_is_named";
    if let Some(output) = harness::output(test, &[COMPUTE]) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "it lives: {said}");
        assert!(said.contains("virtual GPU: store touches 0x"), "{said}");
        assert!(
            said.contains("4 bytes past the end of an allocation of 512 bytes"),
            "{said}"
        );
        return;
    }
    let cuda = Cuda::open(0);
    let (kernel, address) = (cuda.kernel(), cuda.allocate(512).expect("memory"));
    let _ = cuda.launch(kernel, 0, address + 516, 1, 1);
}
