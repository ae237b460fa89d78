//! The official procedure from end to end, frame by frame through the session: mean absolute
//! difference ≤ 0.05 and at most 2 of 255 on at least 99.9 % of the pixels.

use propainter::{Limits, Precision};
use propainter_tests::e2e::{Clip, psnr_in_holes};

fn reproduces(name: &str) {
    let Some(clip) = Clip::open(name) else {
        return;
    };
    let out = clip.run(Limits::default());
    let Clip {
        length,
        frames,
        expected,
        ..
    } = &clip;
    let plane = clip.width * clip.height;
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
    let share = far as f64 / (*length * plane) as f64;
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

#[test]
fn fp16_stays_near_the_official_output() {
    let Some(clip) = Clip::open("short_windows") else {
        return;
    };
    let out = clip.run(Limits {
        precision: Precision::Fp16,
        ..Limits::default()
    });
    let psnr = psnr_in_holes(&out, &clip.expected);
    println!("fp16: {psnr:.1} dB in the holes");
    assert!(psnr.is_finite(), "16 bits were not used");
    assert!(psnr >= 45.0, "{psnr}");
}
