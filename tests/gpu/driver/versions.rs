use propainter_tests::virtual_gpu::virtual_gpu;

use super::{FRAMES, config, run};

#[test]
fn an_older_driver_is_told_in_one_line() {
    let settings = [("VIRTUAL_GPU_DRIVER", "11080")];
    if !virtual_gpu(
        "gpu::driver::versions::an_older_driver_is_told_in_one_line",
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
