use propainter_tests::virtual_gpu::virtual_gpu;
use virtual_gpu::harness;

use super::{FRAMES, config, run};

#[test]
fn sessions_run_on_every_supported_driver() {
    let test = "gpu::driver::versions::sessions_run_on_every_supported_driver";
    for driver in ["12000", "12080", "13000"] {
        let settings = [
            ("VIRTUAL_GPU_DRIVER", driver),
            ("PROPAINTER_TEST_DEVICE", "cuda:0"),
        ];
        let Some(output) = harness::output(test, &settings) else {
            let Some(config) = config() else { return };
            assert_eq!(run(&config, FRAMES, |_| {}).ok(), Some(FRAMES));
            return;
        };
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(output.status.success(), "CUDA {driver}: {text}");
        // Not on the tensor library's own threads either.
        assert!(!text.contains("panicked"), "CUDA {driver}: {text}");
    }
}

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
