//! What a frame costs in long streams and in large ones: `cargo run --release -p propainter-tests
//! --example scale`. A still hole of a tenth of the image over a panning scene; a warm-up of a
//! few frames first.

use std::time::Instant;

use propainter::{
    Config, DeviceChoice, Frame, Mask, Mode, Model, Session, internals::synthetic::Scene,
};
use propainter_tests::golden::weights_folder;

fn main() {
    println!("| engine | frames | ms a frame |\n|---|---|---|");
    for frames in [100, 1_000, 20_000] {
        long("propagation, 192×128", propagation(192, 128), frames);
    }
    let networks = |width, height| {
        Some(Config {
            model: Model::Propainter,
            weights: Some(weights_folder()?.to_owned()),
            device: DeviceChoice::Cpu,
            mode: Mode::Sliding,
            subvideo_length: 12,
            neighbor_length: 4,
            ref_stride: 4,
            lookahead: 2,
            scene_cuts: false,
            ..Config::new(width, height)
        })
    };
    for frames in [30, 120] {
        if let Some(config) = networks(64, 48) {
            long("networks, 64×48", config, frames);
        }
    }
    println!("\n| engine | size | ms a frame | ns a pixel |\n|---|---|---|---|");
    for (width, height) in [(216, 120), (432, 240), (864, 480), (1728, 960)] {
        large("propagation", propagation(width, height), 60);
    }
    for (width, height) in [(128, 128), (256, 256), (512, 512)] {
        if let Some(config) = networks(width, height) {
            large("networks", config, 14);
        }
    }
}

fn propagation(width: usize, height: usize) -> Config {
    Config {
        model: Model::Propagation,
        ..Config::new(width, height)
    }
}

/// Milliseconds for a frame of a stream that is drained at its end.
fn run(config: &Config, frames: usize) -> f64 {
    let (width, height) = (config.width, config.height);
    let scene = Scene {
        object: false,
        logo: false,
        ..Scene::new(width, height, 3)
    };
    // Drawn before, and again and again.
    let images: Vec<Frame> = (0..frames.min(120)).map(|i| scene.frame(i)).collect();
    let mut mask = Mask::empty(width, height);
    let (w, h) = (width as f64 * 0.1f64.sqrt(), height as f64 * 0.1f64.sqrt());
    mask.add_rectangle(width as i64 / 3, height as i64 / 3, w as u64, h as u64);
    let mut session = Session::open(config.clone()).expect("the engine opens");
    let start = Instant::now();
    for i in 0..frames {
        // Forth and back, so that nothing jumps.
        let turn = i % (2 * images.len() - 2).max(1);
        let frame = images[turn.min(2 * images.len() - 2 - turn)].clone();
        session.push(frame, &mask).expect("push");
    }
    session.drain().expect("drain");
    start.elapsed().as_secs_f64() * 1e3 / frames as f64
}

fn long(name: &str, config: Config, frames: usize) {
    run(&config, 10);
    println!("| {name} | {frames} | {:.2} |", run(&config, frames));
}

fn large(name: &str, config: Config, frames: usize) {
    let time = run(&config, frames);
    let pixels = (config.width * config.height) as f64;
    println!(
        "| {name} | {}×{} | {time:.2} | {:.0} |",
        config.width,
        config.height,
        time * 1e6 / pixels
    );
}
