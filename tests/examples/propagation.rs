//! `make bench`, second table: frames per second of `model=propagation` on a panning scene
//! with a still hole over a tenth of the picture, and PSNR inside it.

use std::{error::Error, time::Instant};

use propainter::{Config, Done, Mask, Model, Session, scenes::Scene};

const FRAMES: usize = 120;

fn main() -> Result<(), Box<dyn Error>> {
    println!("| size | frames per second | PSNR inside the hole, dB |\n|---|---|---|");
    for (width, height) in [(432, 240), (854, 480)] {
        let scene = Scene {
            object: false,
            logo: false,
            // What the hole hides is shown within a window, whatever the size.
            pan: (width as f32 / -120.0, 0.1),
            ..Scene::new(width, height, 5)
        };
        // As wide as the square root of a tenth of both sides: a tenth of the picture.
        let side = |length: usize| (length as f64 * 0.1_f64.sqrt()) as u64;
        let mut mask = Mask::empty(width, height);
        let (left, top) = (width as i64 / 3, height as i64 / 3);
        mask.add_rectangle(left, top, side(width), side(height));

        // Drawn beforehand: the figure is the engine's.
        let frames: Vec<_> = (0..FRAMES).map(|t| scene.frame(t)).collect();
        let config = Config {
            model: Model::Propagation,
            mask_dilation: 0,
            ..Config::new(width, height)
        };
        let mut session = Session::open(config)?;
        let start = Instant::now();
        let mut done = Vec::new();
        for frame in frames {
            done.extend(session.push(frame, &mask)?);
        }
        done.extend(session.drain()?);
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "| {width}×{height} | {:.1} | {:.1} |",
            FRAMES as f64 / seconds,
            psnr(&done, &scene)
        );
    }
    Ok(())
}

fn psnr(done: &[Done], scene: &Scene) -> f64 {
    let (mut squared, mut samples) = (0.0, 0.0);
    for (t, done) in done.iter().enumerate() {
        let truth = scene.truth(t);
        let pixels = done.frame.rgb().chunks(3).zip(truth.rgb().chunks(3));
        for ((pixel, truth), _) in pixels.zip(done.hole.hole()).filter(|(_, hole)| **hole == 1) {
            for (a, b) in pixel.iter().zip(truth) {
                squared += f64::from(a.abs_diff(*b)).powi(2);
                samples += 1.0;
            }
        }
    }
    10.0 * (255.0 * 255.0 * samples / squared).log10()
}
