use propainter_tests::virtual_gpu::virtual_gpu;

use super::{FRAMES, config, gpu, run};

#[test]
fn the_first_driver_of_cuda_12_runs_a_session() {
    let settings = [("VIRTUAL_GPU_DRIVER", "12000")];
    if !virtual_gpu(
        "driver::versions::the_first_driver_of_cuda_12_runs_a_session",
        &settings,
    ) {
        return;
    }
    let Some(config) = config() else { return };
    let done = run(&config, FRAMES, |_| {});
    println!("{done:?}; {:?}", gpu().counts());
    assert_eq!(done.ok(), Some(FRAMES));
}

#[test]
fn an_older_driver_is_told_in_one_line() {
    let settings = [("VIRTUAL_GPU_DRIVER", "11080")];
    if !virtual_gpu(
        "driver::versions::an_older_driver_is_told_in_one_line",
        &settings,
    ) {
        return;
    }
    let Some(config) = config() else { return };
    let error = run(&config, FRAMES, |_| {})
        .expect_err("the driver is too old")
        .to_string();
    println!("{error}");
    assert!(
        error.contains("driver") && error.lines().count() == 1,
        "{error}"
    );
}
