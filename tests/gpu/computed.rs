//! What the CUDA path computes, on the virtual GPU: it runs the PTX of every kernel.

use std::{env, process::Command};

use virtual_gpu::harness;

/// Runs the tests whose names hold one of `tests` on a virtual GPU of this architecture that computes.
/// They may skip none.
///
/// # Panics
/// A test fails there, or none runs.
fn compute(tests: &[&str], architecture: &str) {
    let output = Command::new(env::current_exe().expect("a running test"))
        .args(tests)
        .args(["--nocapture", "--test-threads", "2"])
        .env("LD_LIBRARY_PATH", harness::folder())
        .env("PROPAINTER_TEST_DEVICE", "cuda:0")
        .env("VIRTUAL_GPU_MODE", "compute")
        .env("VIRTUAL_GPU_SM", architecture)
        .output()
        .expect("the tests run");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    println!("{text}");
    assert!(output.status.success(), "sm_{architecture}");
    assert!(!text.contains(" 0 passed"), "no test is of {tests:?}");
}

#[test]
fn kernels_compute_what_their_reference_forms_do() {
    compute(&["gpu::kernels::"], "86");
}

#[test]
#[ignore = "long: make gpu-test"]
fn raft_computes_its_golden_vectors() {
    compute(&["goldens::raft::"], "86");
}

#[test]
#[ignore = "long: make gpu-test"]
fn flow_completion_computes_its_golden_vectors() {
    compute(
        &["goldens::flow_completion::", "goldens::image_propagation"],
        "86",
    );
}

#[test]
#[ignore = "long: make gpu-test"]
fn the_generator_computes_its_golden_vectors() {
    compute(&["goldens::generator::"], "86");
}

#[test]
#[ignore = "long: make gpu-test"]
fn a_clip_computes_its_golden_frames() {
    compute(&["e2e::default_windows"], "86");
}
