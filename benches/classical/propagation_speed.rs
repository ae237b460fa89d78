//! Speed of the classical engine: `cargo run --release -p propainter-tests --example
//! propagation_speed`. Prints frames per second at 432×240 and 854×480 (which is worked on at
//! 848×480) on a generated scene whose logo, object and ticker cover about a tenth, and, where
//! `../shared/media` is, on bmx-trees with the rider's masks at both sizes.

use std::{path::Path, time::Instant};

use image::imageops::{self, FilterType};
use propainter::{
    Config, Frame, Mask, Model, Session,
    internals::synthetic::{Scene, square_error_in_hole},
};

const FRAMES: usize = 120;

fn main() {
    println!(
        "{:<12} {:>9} {:>6} {:>8} {:>12} {:>8}",
        "clip", "size", "hole", "fps", "worst push", "PSNR"
    );
    for (width, height) in [(432, 240), (854, 480)] {
        let scene = Scene {
            pan: (-0.004 * width as f32, 0.1),
            ..Scene::new(width, height, 3)
        };
        let clip: Vec<(Frame, Mask)> = (0..FRAMES)
            .map(|i| (scene.frame(i), with_ticker(scene.mask(i))))
            .collect();
        measure("scene", &clip, |i| Some(scene.truth(i)));
        if let Some(clip) = film(width, height) {
            measure("bmx-trees", &clip, |_| None);
        }
    }
}

/// A strip over half the width near the bottom.
fn with_ticker(mut mask: Mask) -> Mask {
    let (width, height) = (mask.width() as u64, mask.height() as u64);
    mask.add_rectangle(
        width as i64 / 12,
        height as i64 * 6 / 7,
        width / 2,
        height / 13,
    );
    mask
}

fn film(width: usize, height: usize) -> Option<Vec<(Frame, Mask)>> {
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/media");
    if !media.exists() {
        return None;
    }
    let clip = (0..80).map(|i| {
        let image = image::open(media.join(format!("bmx-trees/{i:05}.jpg"))).expect("an image");
        let image = imageops::resize(
            &image.to_rgb8(),
            width as u32,
            height as u32,
            FilterType::CatmullRom,
        );
        let mask = image::open(media.join(format!("bmx-trees_mask/{i:05}.png"))).expect("a mask");
        let mask = mask.to_luma8();
        let (w, h) = (mask.width() as usize, mask.height() as usize);
        let frame = Frame::new(width, height, image.into_raw());
        (frame, Mask::from_luma(w, h, mask.into_raw()))
    });
    Some(clip.collect())
}

fn measure(name: &str, clip: &[(Frame, Mask)], truth: impl Fn(usize) -> Option<Frame>) {
    let (width, height) = (clip[0].0.width(), clip[0].0.height());
    let mut session = Session::open(Config {
        model: Model::Propagation,
        ..Config::new(width, height)
    })
    .expect("the classical engine opens everywhere");
    let (mut done, mut worst) = (Vec::new(), 0.0f64);
    let input = clip.to_vec();
    let start = Instant::now();
    for (frame, mask) in input {
        let push = Instant::now();
        done.extend(session.push(frame, &mask).expect("push"));
        worst = worst.max(push.elapsed().as_secs_f64());
    }
    done.extend(session.drain().expect("drain"));
    let seconds = start.elapsed().as_secs_f64();
    let (mut sum, mut count, mut hole) = (0, 0, 0);
    for (i, done) in done.iter().enumerate() {
        hole += done.hole.hole().iter().filter(|&&h| h == 1).count();
        if let Some(truth) = truth(i) {
            let (s, n) = square_error_in_hole(&truth, &done.frame, &done.hole);
            (sum, count) = (sum + s, count + n);
        }
    }
    let psnr = if count > 0 {
        format!(
            "{:.1} dB",
            10.0 * (255.0 * 255.0 * count as f64 / sum as f64).log10()
        )
    } else {
        String::new()
    };
    println!(
        "{name:<12} {:>9} {:>5.1}% {:>8.1} {:>9.0} ms {psnr:>8}",
        format!("{width}×{height}"),
        100.0 * hole as f64 / (width * height * clip.len()) as f64,
        clip.len() as f64 / seconds,
        1e3 * worst,
    );
}
