use propainter_tests::virtual_gpu::virtual_gpu;

use super::{FRAMES, config, gpu, run};

#[test]
fn a_session_tells_what_each_frame_asks_of_the_driver() {
    if !virtual_gpu(
        "driver::session::a_session_tells_what_each_frame_asks_of_the_driver",
        &[],
    ) {
        return;
    }
    let Some(config) = config() else { return };
    let gpu = gpu();
    let mut before = gpu.counts();
    let done = run(&config, FRAMES, |step| {
        let counts = gpu.counts();
        let frame = counts - before;
        println!(
            "step {step}: {} launches, {} kernels, {} uploads, {} downloads, {} copies, {} waits; \
             {:.1} MiB, peak {:.1} MiB",
            frame.launches,
            frame.kernels,
            frame.uploads,
            frame.downloads,
            frame.device_copies,
            frame.waits(),
            counts.bytes as f64 / 1048576.0,
            counts.peak_bytes as f64 / 1048576.0,
        );
        before = counts;
    });
    println!("{done:?}; {:?}", gpu.counts());
    assert_eq!(done.ok(), Some(FRAMES));
    assert!(gpu.counts().launches > 0);
    assert_eq!(gpu.counts().refused_work, 0);
}
