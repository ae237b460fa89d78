//! `propainter check` on the virtual GPU: what a user with a driver and no CUDA toolkit sees.

use propainter_tests::virtual_gpu::virtual_gpu;
use serde_json::Value;

use crate::cli::check::{check, steps};

/// Runs `test` on a virtual GPU, with a `CUDA_PATH` that holds no toolkit.
fn without_toolkit(test: &str, mode: &str) -> bool {
    let empty = tempfile::tempdir().expect("a folder");
    let path = empty.path().to_str().expect("UTF-8");
    virtual_gpu(test, &[("VIRTUAL_GPU_MODE", mode), ("CUDA_PATH", path)])
}

/// Runs the check with these options, prints its report, and fails unless its exit status says
/// whether everything passed.
fn report(more: &[&str]) -> (String, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let (outcome, report) = check(folder.path(), more);
    println!("{}{}", outcome.out, outcome.errors);
    let right = report["right"].as_bool().expect("right or not");
    assert_eq!(outcome.status, u8::from(!right), "{}", outcome.errors);
    assert_eq!(report["state"], "complete");
    (outcome.errors, report)
}

/// Returns the names of the steps of a section.
fn names<'a>(report: &'a Value, section: &str) -> Vec<&'a str> {
    let steps = steps(report).iter();
    let steps = steps.filter(|step| step["section"] == section);
    steps
        .map(|step| step["name"].as_str().expect("a name"))
        .collect()
}

/// Fails unless the report has a line for each of these number types of `subject`.
fn assert_types(names: &[&str], subject: &str, types: &[&str]) {
    let found = names.iter().filter_map(|name| name.strip_prefix(subject));
    let found: Vec<&str> = found.filter_map(|rest| rest.strip_prefix(", ")).collect();
    assert_eq!(found, types, "{subject}");
}

#[test]
fn every_kernel_passes_the_check_of_a_gpu_without_a_toolkit() {
    let test = "gpu::check::every_kernel_passes_the_check_of_a_gpu_without_a_toolkit";
    if !without_toolkit(test, "compute") {
        return;
    }
    let (_, report) = report(&["--only", "kernels", "--time-limit", "3000"]);
    assert_eq!(report["right"], true);
    let card = &steps(&report)[1];
    assert_eq!(card["name"], "cuda:0");
    assert_eq!(card["values"]["compute_capability"], "8.6");
    assert_eq!(card["values"]["missing"], serde_json::json!([]));
    let kernels = names(&report, "kernels");
    assert_types(&kernels, "convolution 1x5", &["fp32", "tf32"]);
    assert_types(
        &kernels,
        "convolution 3x3",
        &["fp32", "tf32", "fp16", "bf16"],
    );
    assert_types(&kernels, "attention in windows", &["fp32", "fp16", "bf16"]);
}

#[test]
#[ignore = "long: make gpu-test"]
fn everything_passes_the_check_of_a_gpu_without_a_toolkit() {
    let test = "gpu::check::everything_passes_the_check_of_a_gpu_without_a_toolkit";
    if !without_toolkit(test, "compute") {
        return;
    }
    let (_, report) = report(&["--quick", "--time-limit", "3000"]);
    assert_eq!(report["right"], true);
    let networks = names(&report, "networks");
    assert_types(&networks, "raft", &["fp32", "tf32"]);
    for network in ["flow_completion", "propainter"] {
        assert_types(&networks, network, &["fp32", "tf32", "fp16", "bf16"]);
    }
    for section in ["speed", "host", "memory", "layers"] {
        assert!(!names(&report, section).is_empty(), "{section}");
    }
}

#[test]
fn a_gpu_that_computes_nothing_fails_the_check() {
    let test = "gpu::check::a_gpu_that_computes_nothing_fails_the_check";
    if !without_toolkit(test, "count") {
        return;
    }
    let (errors, report) = report(&["--only", "kernels", "--time-limit", "3000"]);
    let kernels = names(&report, "kernels").len();
    assert_eq!(report["failed"], kernels, "{errors}");
    let told = format!("propainter check: {kernels} steps failed\n");
    assert_eq!(errors, told);
}
