//! Crops beside whole frames: `cargo run --release -p propainter-tests --example crops`. The
//! classical engine on sliding windows; a hole whose truth is known: PSNR inside it, frames per
//! second, and pixels that the engine sees, in frames of 432×240. With `--networks FOLDER` seconds
//! a frame of the networks on the same holes, too.

use std::{path::Path, time::Instant};

use image::imageops::{self, FilterType};
use propainter::{
    Config, CropMode, DeviceChoice, Frame, Mask, Mode, Model, Session,
    internals::synthetic::{Scene, square_error_in_hole},
};

/// A rectangle: left, top, width, height.
type Hole = [u64; 4];

struct Clip {
    name: &'static str,
    hole: Hole,
    frames: Vec<Frame>,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let weights = match arguments.next().as_deref() {
        Some("--networks") => arguments.next(),
        _ => None,
    };
    println!(
        "{:<24} {:>10} {:>18} {:>12} {:>12} {:>9}",
        "clip", "hole", "", "seen", "PSNR", "fps"
    );
    for clip in clips() {
        for crop_mode in [CropMode::Whole, CropMode::Crops] {
            let config = Config {
                model: Model::Propagation,
                ..config(&clip, crop_mode)
            };
            measure(&clip, config, clip.frames.len());
        }
        if let Some(weights) = &weights {
            let config = Config {
                model: Model::Propainter,
                weights: Some(weights.into()),
                device: DeviceChoice::Cpu,
                subvideo_length: 20,
                lookahead: 5,
                ..config(&clip, CropMode::Crops)
            };
            measure(&clip, config, 20);
        }
    }
}

fn config(clip: &Clip, crop_mode: CropMode) -> Config {
    Config {
        crop_mode,
        mode: Mode::Sliding,
        ..Config::new(clip.frames[0].width(), clip.frames[0].height())
    }
}

fn clips() -> Vec<Clip> {
    let mut clips = Vec::new();
    for (name, size, hole) in [
        ("scene, logo", (1920, 1080), [1600, 80, 240, 120]),
        ("scene, ticker", (1280, 720), [200, 620, 700, 50]),
        ("scene, logo", (848, 480), [700, 40, 100, 60]),
    ] {
        // A clip's truth is the clip itself: what the hole covers is not looked at.
        for (pan, name) in [((-4.3, 0.2), name), ((-1.6, 0.7), "scene, slow pan")] {
            let scene = Scene {
                pan,
                logo: false,
                ..Scene::new(size.0, size.1, 3)
            };
            let frames = (0..60).map(|i| scene.frame(i)).collect();
            clips.push(Clip { name, hole, frames });
        }
    }
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/media");
    if media.exists() {
        for (name, size, hole) in [
            ("bmx-trees", (848, 480), [640, 60, 100, 60]),
            ("bmx-trees, enlarged", (1920, 1080), [300, 200, 240, 120]),
        ] {
            let frames = (0..80).map(|i| film(&media, i, size)).collect();
            clips.push(Clip { name, hole, frames });
        }
    }
    clips
}

fn film(media: &Path, i: usize, (width, height): (u32, u32)) -> Frame {
    let image = image::open(media.join(format!("bmx-trees/{i:05}.jpg"))).expect("an image");
    let image = imageops::resize(&image.to_rgb8(), width, height, FilterType::CatmullRom);
    Frame::new(width as usize, height as usize, image.into_raw())
}

fn measure(clip: &Clip, config: Config, frames: usize) {
    let (width, height) = (config.width, config.height);
    let [x, y, w, h] = clip.hole;
    let mut mask = Mask::empty(width, height);
    mask.add_rectangle(x as i64, y as i64, w, h);
    let what = format!("{:?} {:?}", config.model, config.crop_mode);
    let mut session = Session::open(config).expect("the engine opens");
    let input = clip.frames[..frames].to_vec();
    let (mut done, mut seen) = (Vec::new(), 0.0);
    let start = Instant::now();
    for frame in input {
        done.extend(session.push(frame, &mask).expect("push"));
        let (width, height) = session.processing_size();
        seen = (width * height * session.stats().views) as f64 / (432.0 * 240.0);
    }
    done.extend(session.drain().expect("drain"));
    let seconds = start.elapsed().as_secs_f64();
    let (mut sum, mut count) = (0, 0);
    for (truth, done) in clip.frames.iter().zip(&done) {
        let (s, n) = square_error_in_hole(truth, &done.frame, &done.hole);
        (sum, count) = (sum + s, count + n);
    }
    println!(
        "{:<24} {:>10} {what:>18} {seen:>12.2} {:>9.2} dB {:>9.2}",
        format!("{}, {width}×{height}", clip.name),
        format!("{w}×{h}"),
        10.0 * (255.0 * 255.0 * count as f64 / sum as f64).log10(),
        frames as f64 / seconds,
    );
}
