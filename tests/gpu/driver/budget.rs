use propainter_tests::virtual_gpu::virtual_gpu;

use super::{FRAMES, config, gpu, run};

const MIB: u64 = 1 << 20;

#[test]
fn the_drivers_peak_is_never_above_the_budget() {
    if !virtual_gpu(
        "driver::budget::the_drivers_peak_is_never_above_the_budget",
        &[],
    ) {
        return;
    }
    let Some(mut config) = config() else { return };
    let gpu = gpu();
    // The budget holds the context, too, which this driver does not count as an allocation.
    const CONTEXT: u64 = 350 * MIB;
    for budget in [2048, 1024, 768, 640] {
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
        assert_eq!(done.ok(), Some(FRAMES));
    }
}
