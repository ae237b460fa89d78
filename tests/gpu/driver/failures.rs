use propainter_tests::virtual_gpu::virtual_gpu;

use super::{FRAMES, config, give_back_memory, gpu, run};

#[test]
fn no_allocation_that_fails_ends_the_process() {
    if virtual_gpu(
        "gpu::driver::failures::no_allocation_that_fails_ends_the_process",
        &[],
    ) {
        // The first, which open the device, and one in a while of the others.
        fail_allocations((1..4).chain((4..).step_by(120)));
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
