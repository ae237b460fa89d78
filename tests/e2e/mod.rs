//! The official procedure from end to end, frame by frame through the session: mean absolute
//! difference ≤ 0.05 and at most 2 of 255 on at least 99.9 % of the pixels.

use propainter::{Config, Frame, Mask, Mode, Model, Session};
use propainter_tests::golden::{Vectors, device_choice, settings, weights_folder};

fn reproduces(name: &str) {
    let clip = Vectors::read(&format!("e2e/{name}/clip.safetensors"));
    let (Some(clip), Some(weights)) = (clip, weights_folder()) else {
        return;
    };
    let Some(settings) = settings(name) else {
        return;
    };
    let [length, height, width] = [0, 1, 2].map(|axis| clip.shape("frames")[axis]);
    let config = Config {
        model: Model::Propainter,
        mode: Mode::Reference,
        device: device_choice(),
        weights: Some(weights.to_owned()),
        subvideo_length: settings("subvideo_length"),
        neighbor_length: settings("neighbor_length"),
        ref_stride: settings("ref_stride"),
        raft_iterations: settings("raft_iter"),
        mask_dilation: settings("mask_dilation"),
        ..Config::new(width, height)
    };
    let mut session = Session::open(config).expect("the session opens");
    let (frames, masks) = (clip.bytes("frames"), clip.bytes("masks"));
    let plane = width * height;
    let mut out = Vec::new();
    for t in 0..length {
        let frame = frames[3 * t * plane..][..3 * plane].to_vec();
        let mask = masks[t * plane..][..plane].to_vec();
        let done = session
            .push(
                Frame::new(width, height, frame),
                &Mask::from_luma(width, height, mask),
            )
            .expect("the frame is taken");
        out.extend(done);
        let held = t + 1 - out.len();
        assert!(held <= session.look_ahead(), "{held} frames are held");
    }
    out.extend(session.drain().expect("the rest comes out"));
    assert_eq!(out.len(), length);

    let expected = clip.bytes("output");
    let (mut sum, mut far, mut outside) = (0u64, 0usize, 0usize);
    for (t, done) in out.iter().enumerate() {
        let expected = &expected[3 * t * plane..][..3 * plane];
        let source = &frames[3 * t * plane..][..3 * plane];
        for p in 0..plane {
            let worst = (3 * p..3 * p + 3)
                .map(|i| {
                    let difference = done.frame.rgb()[i].abs_diff(expected[i]);
                    sum += u64::from(difference);
                    outside +=
                        usize::from(done.hole.hole()[p] == 0 && done.frame.rgb()[i] != source[i]);
                    difference
                })
                .max();
            far += usize::from(worst > Some(2));
        }
    }
    let mean = sum as f64 / expected.len() as f64;
    let share = far as f64 / (length * plane) as f64;
    println!(
        "{name}: mean difference {mean:.4}, more than 2 on {:.4} % of the pixels",
        share * 100.0
    );
    assert_eq!(outside, 0, "samples changed outside the hole");
    assert!(mean <= 0.05, "mean difference {mean}");
    assert!(
        share <= 0.001,
        "{share} of the pixels are off by more than 2"
    );
}

#[test]
fn default_windows_give_the_official_output() {
    reproduces("default_windows");
}

#[test]
fn short_windows_give_the_official_output() {
    reproduces("short_windows");
}

#[test]
fn odd_windows_give_the_official_output() {
    reproduces("odd_windows");
}
