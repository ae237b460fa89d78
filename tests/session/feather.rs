//! A soft edge around the hole, through the session.

use propainter::{Config, InpaintedFrame, Mask, Session, internals::synthetic::Scene};

use super::{networks, propagation};

const FRAMES: usize = 4;

fn run(config: &Config, scene: &Scene, mask: &Mask) -> Vec<InpaintedFrame> {
    let mut session = Session::open(config.clone()).expect("the session opens");
    let mut done = Vec::new();
    for t in 0..FRAMES {
        let finals = session.push(scene.frame(t), mask);
        done.extend(finals.expect("the frame is taken"));
    }
    done.extend(session.drain().expect("the rest comes out"));
    assert_eq!(done.len(), FRAMES);
    done
}

/// Softens the hard edges of `done` over `feather` pixels.
fn softened(done: &InpaintedFrame, scene: &Scene, t: usize, feather: usize) -> Vec<u8> {
    let (source, hole) = (scene.frame(t), &done.hole);
    let width = hole.width();
    let outside: Vec<usize> = (0..hole.hole().len())
        .filter(|&i| hole.hole()[i] == 0)
        .collect();
    let mut out = source.rgb().to_vec();
    for i in (0..hole.hole().len()).filter(|&i| hole.hole()[i] == 1) {
        let steps = |&j: &usize| (i % width).abs_diff(j % width) + (i / width).abs_diff(j / width);
        let depth = outside.iter().map(steps).min().unwrap_or(usize::MAX);
        let share = (depth as f64 / (feather + 1) as f64).min(1.0);
        let pixel = 3 * i..3 * i + 3;
        let fill = &done.frame.rgb()[pixel.clone()];
        for (out, &fill) in out[pixel].iter_mut().zip(fill) {
            let (from, to) = (f64::from(*out), f64::from(fill));
            *out = (from + share * (to - from)).round() as u8;
        }
    }
    out
}

#[test]
fn the_fill_fades_over_a_wider_hole() {
    let configs = [Some(propagation(64, 48)), networks(64, 48)];
    for config in configs.into_iter().flatten() {
        let scene = Scene::new(64, 48, 3);
        let mut mask = Mask::empty(64, 48);
        mask.add_rectangle(20, 15, 14, 12);
        // A hole at the border, where there is nothing to fade into.
        mask.add_rectangle(52, 0, 12, 8);
        // Processed at full size, and at half of it.
        for (ratio, scaled) in [(1.0, 3), (0.5, 6)] {
            let config = Config {
                mask_dilation: 2,
                resize_ratio: ratio,
                ..config.clone()
            };
            let hard = Config {
                mask_dilation: 5,
                ..config.clone()
            };
            let soft = Config {
                mask_feather: 3,
                ..config.clone()
            };
            let (hard, soft) = (run(&hard, &scene, &mask), run(&soft, &scene, &mask));
            for (t, (hard, soft)) in hard.iter().zip(&soft).enumerate() {
                assert_eq!(hard.hole, soft.hole, "the grown hole");
                if ratio == 1.0 {
                    assert_eq!(soft.hole, mask.dilated(5));
                }
                assert_ne!(hard.frame, soft.frame);
                assert!(
                    soft.frame.rgb() == softened(hard, &scene, t, scaled),
                    "frame {t}"
                );
            }
        }
    }
}

#[test]
fn an_empty_hole_has_no_edge() {
    let config = Config {
        mask_feather: 5,
        ..propagation(64, 48)
    };
    let scene = Scene::new(64, 48, 3);
    for (t, done) in run(&config, &scene, &Mask::empty(64, 48))
        .iter()
        .enumerate()
    {
        assert_eq!(done.frame, scene.frame(t));
        assert!(done.hole.is_empty());
    }
    let mut all = Mask::empty(64, 48);
    all.add_rectangle(0, 0, 64, 48);
    let hard = Config {
        mask_feather: 0,
        ..config.clone()
    };
    assert_eq!(run(&config, &scene, &all), run(&hard, &scene, &all));
}
