//! What a logo in 1080p costs beside a frame of 432×240: `cargo run --release -p propainter-tests
//! --example logo`. The networks in sliding windows, default settings, on the CPU: operations and
//! seconds for a frame. The two take turns, and the faster of two counts.

use std::{path::Path, time::Instant};

use propainter::{
    Config, CropMode, DeviceChoice, Mask, Mode, Model, Session, internals::synthetic::Scene,
};
use propainter_tests::golden::weights_folder;

const FRAMES: usize = 40;
const TURNS: usize = 2;

fn main() {
    let Some(weights) = weights_folder() else {
        eprintln!("the golden weights table is missing");
        return;
    };
    println!("| frames | hole | seen | GFLOP a frame | s a frame |\n|---|---|---|---|---|");
    let streams: [Stream; 2] = [
        (432, 240, CropMode::Whole, [160, 90, 60, 40]),
        (1920, 1080, CropMode::Crops, [1600, 60, 240, 120]),
    ];
    let turns: Vec<[_; 2]> = (0..TURNS)
        .map(|_| streams.map(|stream| run(weights, stream)))
        .collect();
    for (i, (width, height, crop_mode, [_, _, w, h])) in streams.into_iter().enumerate() {
        let seconds = turns.iter().map(|turn| turn[i].1);
        let (work, seconds) = (turns[0][i].0, seconds.fold(f64::INFINITY, f64::min));
        println!("| {width}×{height} | {w}×{h} | {crop_mode:?} | {work:.0} | {seconds:.2} |");
    }
}

/// Width and height; what is seen; the hole.
type Stream = (usize, usize, CropMode, [i64; 4]);

/// Operations in 10⁹ and seconds for a frame.
fn run(weights: &Path, (width, height, crop_mode, [x, y, w, h]): Stream) -> (f64, f64) {
    let scene = Scene {
        logo: false,
        ..Scene::new(width, height, 3)
    };
    let images: Vec<_> = (0..FRAMES).map(|i| scene.frame(i)).collect();
    let mut mask = Mask::empty(width, height);
    mask.add_rectangle(x, y, w as u64, h as u64);
    let config = Config {
        model: Model::Propainter,
        weights: Some(weights.to_owned()),
        device: DeviceChoice::Cpu,
        mode: Mode::Sliding,
        crop_mode,
        ..Config::new(width, height)
    };
    let mut session = Session::open(config).expect("the engine opens");
    let start = Instant::now();
    for image in images {
        session.push(image, &mask).expect("push");
    }
    session.drain().expect("drain");
    let seconds = start.elapsed().as_secs_f64() / FRAMES as f64;
    let operations: u64 = session.stats().memory.operations.iter().sum();
    (operations as f64 / 1e9 / FRAMES as f64, seconds)
}
