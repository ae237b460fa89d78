//! Quality of the fill, against the ground truth.

use propainter::{
    Frame, InpaintedFrame, Mask,
    internals::synthetic::{Scene, square_error_in_hole},
};
use propainter_tests::shared::media;

use super::{assert_untouched_outside, clip, open, run};

/// Returns the PSNR over all holes of a clip in dB.
fn psnr<'a>(
    truth: impl Iterator<Item = Frame>,
    done: impl Iterator<Item = &'a InpaintedFrame>,
) -> f64 {
    let (mut sum, mut count) = (0, 0);
    for (truth, done) in truth.zip(done) {
        let (s, n) = square_error_in_hole(&truth, &done.frame, &done.hole);
        (sum, count) = (sum + s, count + n);
    }
    10.0 * (255.0 * 255.0 * count as f64 / sum as f64).log10()
}

fn assert_filled(name: &str, scene: &Scene, frames: usize, least: f64) {
    let clip = clip(scene, frames);
    let done = run(&mut open(scene.width, scene.height), &clip);
    assert_untouched_outside(&clip, &done);
    let psnr = psnr((0..frames).map(|i| scene.truth(i)), done.iter());
    println!("{name}: {psnr:.2} dB");
    assert!(
        psnr >= least,
        "{name}: {psnr:.2} dB, at least {least} wanted"
    );
}

#[test]
fn a_still_logo_over_a_pan_is_filled_within_30_db() {
    for (width, height, frames) in [(192, 128, 48), (432, 240, 48)] {
        for pan in [(-1.5, 0.0), (2.25, 0.4), (-4.0, -0.7), (9.3, 0.0)] {
            let scene = Scene {
                pan,
                parallax: 0.0,
                object: false,
                ..Scene::new(width, height, 7)
            };
            let name = format!("logo, {width}×{height}, pan {pan:?}");
            // Where the scenery needs longer than the lookahead to pass the logo, the first frames
            // contain pixels that no frame shows.
            assert_filled(&name, &scene, frames, 30.0);
        }
    }
}

#[test]
fn a_slow_pan_below_a_pixel_per_frame_is_filled_within_30_db() {
    let scene = Scene {
        pan: (0.0, 0.6),
        parallax: 0.0,
        object: false,
        ..Scene::new(192, 128, 2)
    };
    assert_filled("slow pan", &scene, 48, 30.0);
}

#[test]
fn an_object_and_a_logo_before_parallax_are_filled_within_30_db() {
    for (width, height) in [(192, 128), (432, 240)] {
        let scene = Scene::new(width, height, 3);
        assert_filled(&format!("parallax, {width}×{height}"), &scene, 40, 30.0);
    }
}

#[test]
fn an_oscillation_of_exposure_leaves_no_seam() {
    let scene = Scene {
        exposure: 0.12,
        ..Scene::new(192, 128, 4)
    };
    assert_filled("exposure", &scene, 48, 30.0);
}

#[test]
fn nothing_crosses_a_scene_cut() {
    let scenes = [3, 8].map(|seed| Scene {
        object: false,
        pan: (-3.0, 0.0),
        ..Scene::new(192, 128, seed)
    });
    let mut frames = clip(&scenes[0], 24);
    frames.extend(clip(&scenes[1], 24));
    let done = run(&mut open(192, 128), &frames);
    assert_untouched_outside(&frames, &done);
    let truth = scenes
        .iter()
        .flat_map(|scene| (0..24).map(|i| scene.truth(i)));
    let psnr = psnr(truth, done.iter());
    println!("cut: {psnr:.2} dB");
    assert!(psnr >= 30.0, "{psnr:.2} dB");
}

#[test]
fn a_fill_without_sources_stays_still_in_a_still_scene() {
    let scene = Scene {
        pan: (0.0, 0.0),
        object: false,
        ..Scene::new(192, 128, 6)
    };
    let clip = clip(&scene, 12);
    let done = run(&mut open(192, 128), &clip);
    for pair in done.windows(2) {
        let (sum, count) = square_error_in_hole(&pair[0].frame, &pair[1].frame, &pair[0].hole);
        let change = (sum as f64 / count as f64).sqrt();
        assert!(
            change < 0.5,
            "the fill flickers: {change:.2} of 255 per frame"
        );
    }
}

#[test]
fn a_still_edge_goes_on() {
    let (error, _) = still_edge();
    assert!(error < 6.0, "the edge is lost: {error:.2}");
}

#[test]
fn noise_does_not_make_the_fill_of_a_still_edge_flicker() {
    // The noise itself changes by 3.5. At the border the fill follows it, so that there is no seam.
    let (_, change) = still_edge();
    assert!(change < 2.6, "the fill flickers: {change:.2}");
}

/// Fills a still edge under noise. Returns the error of the first frame, and the largest change from
/// a frame to the next, both as the root of the mean square in the hole.
fn still_edge() -> (f64, f64) {
    let (width, height, frames) = (192, 128, 10);
    let mut hole = Mask::empty(width, height);
    hole.add_rectangle(64, 44, 64, 40);
    let truth = |x: usize, y: usize| {
        let side = (x as f32 - 80.0) * 0.8 - (y as f32 - 44.0) * 0.6;
        60.0 + 110.0 * (side + 0.5).clamp(0.0, 1.0) + 0.3 * y as f32
    };
    // Noise of 2.5 levels, another for each frame.
    let mut random = 7u64;
    let mut noise = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((random >> 40) as f32 / (1 << 24) as f32 - 0.5) * 8.66
    };
    let clip: Vec<(Frame, Mask)> = (0..frames)
        .map(|_| {
            let pixels = (0..width * height).flat_map(|i| match hole.hole()[i] {
                1 => [255, 0, 0],
                _ => [(truth(i % width, i / width) + noise() + 0.5) as u8; 3],
            });
            (Frame::new(width, height, pixels.collect()), hole.clone())
        })
        .collect();
    let done = run(&mut open(width, height), &clip);
    let clean = (0..width * height).flat_map(|i| [truth(i % width, i / width) as u8; 3]);
    let clean = Frame::new(width, height, clean.collect());
    let root = |a: &Frame, b: &Frame| {
        let (sum, count) = square_error_in_hole(a, b, &hole);
        (sum as f64 / count as f64).sqrt()
    };
    let changes = done
        .windows(2)
        .map(|pair| root(&pair[0].frame, &pair[1].frame));
    let change = changes.fold(0.0, f64::max);
    let error = root(&clean, &done[0].frame);
    println!("error {error:.2}, change {change:.2}");
    (error, change)
}

#[test]
fn a_badge_over_film_is_filled_within_30_db() {
    let Some(folder) = media("bmx-trees") else {
        return;
    };
    let mut mask = Mask::empty(432, 240);
    mask.add_rectangle(302, 24, 86, 38);
    let film: Vec<Frame> = (0..60)
        .map(|i| {
            let image = image::open(folder.join(format!("{i:05}.jpg"))).expect("a readable image");
            let image = image.to_rgb8();
            let (width, height) = (image.width() as usize, image.height() as usize);
            Frame::new(width, height, image.into_raw())
        })
        .collect();
    let clip: Vec<(Frame, Mask)> = film
        .iter()
        .map(|frame| {
            let mut frame = frame.clone();
            for (pixel, _) in frame
                .rgb_mut()
                .chunks_exact_mut(3)
                .zip(mask.hole())
                .filter(|(_, hole)| **hole == 1)
            {
                pixel.copy_from_slice(&[255, 0, 0]);
            }
            (frame, mask.clone())
        })
        .collect();
    let done = run(&mut open(432, 240), &clip);
    assert_untouched_outside(&clip, &done);
    let psnr = psnr(film.into_iter(), done.iter());
    println!("badge over bmx-trees: {psnr:.2} dB");
    assert!(psnr >= 30.0, "{psnr:.2} dB");
}
