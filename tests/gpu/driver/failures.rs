use propainter_tests::virtual_gpu::virtual_gpu;
use virtual_gpu::harness;

use super::{FRAMES, config, give_back_memory, gpu, run};

#[test]
fn no_allocation_that_fails_ends_the_process() {
    if virtual_gpu(
        "gpu::driver::failures::no_allocation_that_fails_ends_the_process",
        &[],
    ) {
        // The first, which open the device, and one in a while of the others.
        fail_allocations((1..4).chain((4..).step_by(60)));
    }
}

#[test]
#[ignore = "long: make gpu-test"]
fn no_allocation_at_all_that_fails_ends_the_process() {
    if virtual_gpu(
        "gpu::driver::failures::no_allocation_at_all_that_fails_ends_the_process",
        &[],
    ) {
        fail_allocations(1..);
    }
}

/// Runs a session for each of these numbers, in which the allocation of that number fails, until a
/// session has fewer. Each session either goes on or ends with an error that names memory.
fn fail_allocations(numbers: impl Iterator<Item = u64>) {
    let Some(config) = config() else { return };
    let gpu = gpu();
    // Kernels are compiled once.
    assert_eq!(run(&config, FRAMES, |_| {}).ok(), Some(FRAMES));
    let (mut survived, mut told) = (0, 0);
    for n in numbers {
        give_back_memory();
        let refused = gpu.counts().refused_allocations;
        gpu.fail_allocation(n);
        let done = run(&config, FRAMES, |_| {});
        gpu.fail_allocation(0);
        if gpu.counts().refused_allocations == refused {
            break;
        }
        match done {
            Ok(frames) => {
                assert_eq!(frames, FRAMES, "allocation {n}");
                survived += 1;
            }
            Err(error) => {
                let error = error.to_string();
                println!("allocation {n}: {error}");
                assert!(error.contains("memory"), "allocation {n}: {error}");
                told += 1;
            }
        }
    }
    println!("{survived} sessions went on, {told} ended with an error");
    assert!(survived + told > 0, "nothing was allocated");
}

#[test]
fn a_launch_that_fails_is_an_error_of_the_session() {
    let test = "gpu::driver::failures::a_launch_that_fails_is_an_error_of_the_session";
    // The first, and some of the stages; a device does not come back within a process.
    for launch in ["1", "300", "1000"] {
        let settings = [
            ("PROPAINTER_TEST_DEVICE", "cuda:0"),
            ("VIRTUAL_GPU_FAIL_LAUNCH", launch),
        ];
        let Some(output) = harness::output(test, &settings) else {
            fail_once();
            return;
        };
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().filter(|line| line.starts_with("session:"));
        lines.for_each(|line| println!("launch {launch}: {line}"));
        assert!(
            output.status.success(),
            "launch {launch}: {}: {text}",
            output.status
        );
        assert!(!text.contains("panicked"), "launch {launch}: {text}");
    }
}

/// Runs a session that the device fails in.
fn fail_once() {
    let Some(config) = config() else { return };
    let gpu = gpu();
    let done = run(&config, FRAMES, |_| {});
    let launches = gpu.counts().launches;
    println!("session: {launches} launches: {done:?}");
    let failing = std::env::var("VIRTUAL_GPU_FAIL_LAUNCH").expect("a launch that fails");
    let failing: u64 = failing.parse().expect("a number");
    if launches < failing {
        println!("session: there is no launch {failing} any more");
        return;
    }
    let error = done.expect_err("the device failed").to_string();
    assert!(error.contains("device"), "{error}");
}
