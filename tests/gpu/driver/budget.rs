use propainter::{Config, Error};
use propainter_tests::virtual_gpu::virtual_gpu;

use super::{FRAMES, config, gpu, run};

const MIB: u64 = 1 << 20;
/// The budget holds the context, too, which the virtual GPU does not count as an allocation.
const CONTEXT: u64 = 350 * MIB;

#[test]
fn the_drivers_peak_is_never_above_the_budget() {
    if !virtual_gpu(
        "gpu::driver::budget::the_drivers_peak_is_never_above_the_budget",
        &[],
    ) {
        return;
    }
    let Some(mut config) = config() else { return };
    let gpu = gpu();
    let mut finished = 0;
    for budget in [2048, 1024, 768, 512, 400] {
        super::give_back_memory();
        gpu.reset_peak();
        config.limits.vram_budget = budget * MIB;
        let done = run(&config, FRAMES, |_| {});
        let peak = gpu.counts().peak_bytes + CONTEXT;
        println!(
            "budget {budget} MiB: {done:?}, peak {} MiB with the context",
            peak / MIB
        );
        assert!(
            peak <= budget * MIB,
            "{} MiB of {budget} were in use",
            peak / MIB
        );
        match done {
            Ok(frames) => {
                assert_eq!(frames, FRAMES);
                finished += 1;
            }
            // Too small for any plan, which is told before anything is allocated.
            Err(error) => assert!(matches!(error, Error::Budget { .. }), "{error}"),
        }
    }
    assert!(finished >= 2, "{finished} budgets were enough");
}

#[test]
#[ignore = "long: make gpu-test"]
fn the_peak_of_larger_frames_is_never_above_the_budget() {
    let test = "gpu::driver::budget::the_peak_of_larger_frames_is_never_above_the_budget";
    if !virtual_gpu(test, &[]) {
        return;
    }
    let Some(config) = config() else { return };
    let gpu = gpu();
    for (width, height) in [(432, 240), (640, 480)] {
        for budget in [6144, 2048, 1280] {
            super::give_back_memory();
            gpu.reset_peak();
            let mut config = Config {
                width,
                height,
                ..config.clone()
            };
            config.limits.vram_budget = budget * MIB;
            let done = run(&config, 14, |_| {});
            let peak = gpu.counts().peak_bytes + CONTEXT;
            println!(
                "{width}x{height}, {budget} MiB: {done:?}, peak {} MiB",
                peak / MIB
            );
            assert!(
                peak <= budget * MIB,
                "{} MiB of {budget} were in use",
                peak / MIB
            );
        }
    }
}
