use virtual_gpu::harness;

use super::{FRAMES, config, gpu, run};

#[test]
fn a_session_tells_what_each_frame_asks_of_the_driver() {
    let test = "gpu::driver::session::a_session_tells_what_each_frame_asks_of_the_driver";
    // On the oldest driver that is supported.
    let settings = [
        ("VIRTUAL_GPU_DRIVER", "12000"),
        ("PROPAINTER_TEST_DEVICE", "cuda:0"),
    ];
    let Some(output) = harness::output(test, &settings) else {
        tell();
        return;
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    println!("{text}");
    assert!(output.status.success(), "{}: {text}", output.status);
    // Not on the tensor library's own threads either.
    assert!(!text.contains("panicked"), "{text}");
}

/// Runs a session and prints the counts of each frame.
fn tell() {
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
