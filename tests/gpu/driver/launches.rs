use std::{ops::Range, time::Instant};

use propainter::{Config, Frame, Mode, Session, internals::synthetic::Scene};
use propainter_tests::virtual_gpu::virtual_gpu;
use virtual_gpu::client::Gpu;

use super::{config, gpu, middle};

/// The most launches of an output frame.
const MOST: u64 = 400;

#[test]
fn an_output_frame_takes_few_launches() {
    let test = "gpu::driver::launches::an_output_frame_takes_few_launches";
    if !virtual_gpu(test, &[("VIRTUAL_GPU_MEMORY_MIB", "12288")]) {
        return;
    }
    let Some(small) = config() else { return };
    let gpu = gpu();
    println!("by output frame of 432×240:");
    println!("| mode | launches | uploads | downloads | copies | waits | host ms |");
    println!("|---|---|---|---|---|---|---|");
    for (mode, warm_up, frames) in [(Mode::Sliding, 31, 10), (Mode::Reference, 0, 20)] {
        let config = Config {
            mode,
            raft_iterations: Config::new(432, 240).raft_iterations,
            width: 432,
            height: 240,
            ..small.clone()
        };
        let launches = measure(&config, warm_up, frames, &gpu);
        assert!(launches <= MOST, "{mode:?}: {launches} launches a frame");
    }
}

/// Runs a session and returns its launches by output frame: of the `frames` frames after the first
/// `warm_up`, or of a whole clip, after another like it, if there is no warm-up.
fn measure(config: &Config, warm_up: usize, frames: usize, gpu: &Gpu) -> u64 {
    let mask = middle(config);
    let scene = Scene::new(config.width, config.height, 3);
    let pictures: Vec<Frame> = (0..warm_up + frames).map(|t| scene.frame(t)).collect();
    let mut session = Session::open(config.clone()).expect("the session opens");
    let mut push = |range: Range<usize>| {
        let out = pictures[range].iter().map(|frame| {
            let done = session.push(frame.clone(), &mask);
            done.expect("the frame is taken").len()
        });
        let out = out.sum::<usize>();
        match warm_up {
            0 => out + session.drain().expect("the rest comes out").len(),
            _ => out,
        }
    };
    push(0..if warm_up == 0 { frames } else { warm_up });
    let (before, start) = (gpu.counts(), Instant::now());
    let out = push(warm_up..warm_up + frames);
    let (counts, took) = (gpu.counts() - before, start.elapsed());
    assert_eq!(out, frames);
    let by_frame = |count: u64| count.div_ceil(out as u64);
    println!(
        "| {:?} | {} | {} | {} | {} | {} | {:.1} |",
        config.mode,
        by_frame(counts.launches),
        by_frame(counts.uploads),
        by_frame(counts.downloads),
        by_frame(counts.device_copies),
        by_frame(counts.waits()),
        took.as_secs_f64() * 1e3 / out as f64,
    );
    by_frame(counts.launches)
}
