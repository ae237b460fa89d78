//! What a shorter look-ahead costs: `cargo run --release -p propainter-tests --example lookahead`.
//! Prints the PSNR in the hole for look-aheads from 0 frames on, with `mode=sliding`.
//!
//! The engine without networks fills a panning scene, a still one with a moving object, and, where
//! `../shared/media` is, film under a logo and a ticker; the truth is known. The networks, where
//! they are built, fill the clips of the golden vectors. The weights of these are generated and
//! know no pictures, so the reference there is the result with a look-ahead of 10.

use propainter::{
    Config, Frame, InpaintedFrame, Mask, Mode, Model, Session,
    internals::synthetic::{Scene, square_error_in_hole},
};
use propainter_tests::shared::media;

const SIZE: (usize, usize) = (432, 240);
const LOOKAHEADS: [usize; 7] = [0, 1, 2, 3, 5, 10, 40];

fn main() {
    let frames = |scene: &Scene, object: bool| -> Vec<_> {
        (0..100)
            .map(|t| match object {
                true => (scene.truth(t), scene.frame(t), scene.mask(t)),
                // Only the logo is a hole; whatever moves stays.
                false => (scene.frame(t), scene.frame(t), logo()),
            })
            .collect()
    };
    let plain = Scene {
        object: false,
        logo: false,
        ..Scene::new(SIZE.0, SIZE.1, 3)
    };
    let still = Scene {
        pan: (0.0, 0.0),
        object: true,
        ..plain.clone()
    };
    let fast = Scene {
        pan: (-9.3, 0.4),
        ..plain.clone()
    };
    println!(
        "| clip | {} |",
        LOOKAHEADS.map(|n| n.to_string()).join(" | ")
    );
    println!("|---|{}", "---|".repeat(LOOKAHEADS.len()));
    propagate("slow pan, logo", &frames(&plain, false));
    propagate("fast pan, logo", &frames(&fast, false));
    propagate("still scene, moving object", &frames(&still, true));
    for (name, mask) in [("film, logo", logo()), ("film, ticker", ticker())] {
        if let Some(film) = film() {
            let clip: Vec<_> = film
                .map(|frame| (frame.clone(), frame, mask.clone()))
                .collect();
            propagate(name, &clip);
        }
    }
    networks();
}

fn logo() -> Mask {
    let mut mask = Mask::empty(SIZE.0, SIZE.1);
    mask.add_rectangle(SIZE.0 as i64 * 3 / 4, SIZE.1 as i64 / 8, 60, 30);
    mask
}

fn ticker() -> Mask {
    let mut mask = Mask::empty(SIZE.0, SIZE.1);
    mask.add_rectangle(SIZE.0 as i64 / 6, SIZE.1 as i64 * 4 / 5, 280, 20);
    mask
}

fn film() -> Option<impl Iterator<Item = Frame>> {
    let folder = media("bmx-trees")?;
    Some((0..80).map(move |t| {
        let image = image::open(folder.join(format!("{t:05}.jpg"))).expect("an image");
        let filter = image::imageops::FilterType::CatmullRom;
        let image = image.resize_exact(SIZE.0 as u32, SIZE.1 as u32, filter);
        Frame::new(SIZE.0, SIZE.1, image.into_rgb8().into_raw())
    }))
}

/// Prints a row for a clip of truths, frames and masks.
fn propagate(name: &str, clip: &[(Frame, Frame, Mask)]) {
    let decibels = LOOKAHEADS.map(|lookahead| {
        let config = Config {
            model: Model::Propagation,
            mode: Mode::Sliding,
            lookahead,
            ..Config::new(SIZE.0, SIZE.1)
        };
        let mut session = Session::open(config).expect("the engine opens everywhere");
        let mut done: Vec<InpaintedFrame> = Vec::new();
        for (_, frame, mask) in clip {
            done.extend(session.push(frame.clone(), mask).expect("a frame is taken"));
        }
        done.extend(session.drain().expect("the rest comes out"));
        psnr(&done, clip.iter().map(|(truth, ..)| truth))
    });
    row(name, &decibels);
}

/// Returns the PSNR in dB of the pixels in holes.
fn psnr<'a>(done: &[InpaintedFrame], truth: impl Iterator<Item = &'a Frame>) -> f64 {
    let (mut sum, mut count) = (0, 0);
    for (done, truth) in done.iter().zip(truth) {
        let (squares, samples) = square_error_in_hole(truth, &done.frame, &done.hole);
        (sum, count) = (sum + squares, count + samples);
    }
    10.0 * (255.0 * 255.0 * count as f64 / sum as f64).log10()
}

fn row(name: &str, decibels: &[f64]) {
    let cells: Vec<_> = decibels.iter().map(|db| format!("{db:.1}")).collect();
    println!("| {name} | {} |", cells.join(" | "));
}

#[cfg(not(feature = "networks"))]
fn networks() {}

#[cfg(feature = "networks")]
fn networks() {
    use propainter::Limits;
    use propainter_tests::e2e::Clip;

    const LOOKAHEADS: [usize; 5] = [0, 1, 2, 5, 10];
    println!(
        "\n| networks, `neighbor-length` | {} |",
        LOOKAHEADS.map(|n| n.to_string()).join(" | ")
    );
    println!("|---|{}", "---|".repeat(LOOKAHEADS.len()));
    for name in ["default_windows", "short_windows", "odd_windows"] {
        let Some(clip) = Clip::open(name) else { return };
        let run = |lookahead, neighbor_length| {
            let mut clip = Clip::open(name).expect("it was just read");
            clip.config.mode = Mode::Sliding;
            (clip.config.lookahead, clip.config.neighbor_length) = (lookahead, neighbor_length);
            clip.config.scene_cuts = false;
            clip.run(Limits::default())
        };
        let normal = clip.config.neighbor_length;
        let reference = run(10, normal);
        for neighbor_length in [2, normal] {
            let decibels = LOOKAHEADS.map(|n| {
                psnr(
                    &run(n, neighbor_length),
                    reference.iter().map(|done| &done.frame),
                )
            });
            row(&format!("{name}, {neighbor_length}"), &decibels);
        }
    }
}
