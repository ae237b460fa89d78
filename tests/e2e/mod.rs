//! The official procedure from end to end, frame by frame through the session: mean absolute
//! difference ≤ 0.05 and at most 2 of 255 on at least 99.9 % of the pixels.

use gst::prelude::*;
use gst_video::VideoFormat;
use propainter::{Config, Frame, InpaintedFrame, Limits, Mask, Precision};
use propainter_tests::e2e::{Clip, psnr_in_holes};

use crate::element::support::*;

fn reproduces(name: &str) {
    let Some(clip) = Clip::open(name) else {
        return;
    };
    assert_near(&clip, name, &clip.run(Limits::default()));
}

fn assert_near(clip: &Clip, name: &str, out: &[InpaintedFrame]) {
    assert_eq!(out.len(), clip.length);
    let plane = clip.out.0 * clip.out.1;
    let (mut sum, mut far, mut outside) = (0u64, 0usize, 0usize);
    for (t, done) in out.iter().enumerate() {
        let expected = &clip.expected[3 * t * plane..][..3 * plane];
        let source = clip.placed(t);
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
    let mean = sum as f64 / clip.expected.len() as f64;
    let share = far as f64 / (clip.length * plane) as f64;
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
#[ignore = "long: make soak"]
fn short_windows_give_the_official_output() {
    reproduces("short_windows");
}

#[test]
fn odd_windows_give_the_official_output() {
    reproduces("odd_windows");
}

#[test]
fn a_clip_that_is_made_wider_gives_the_official_output() {
    reproduces("outpaint_wide");
}

#[test]
#[ignore = "long: make soak"]
fn a_clip_that_is_made_taller_gives_the_official_output() {
    reproduces("outpaint_tall");
}

#[test]
fn the_element_makes_a_clip_taller_as_the_official_procedure_does() {
    let Some(clip) = Clip::open("outpaint_tall") else {
        return;
    };
    let element = element();
    let Config {
        border,
        weights,
        subvideo_length,
        neighbor_length,
        ref_stride,
        raft_iterations,
        ..
    } = &clip.config;
    element.set_property_from_str("model", "propainter");
    element.set_property_from_str("mode", "reference");
    element.set_property("weights", weights.as_ref().unwrap().to_str().unwrap());
    for (name, value) in [
        ("subvideo-length", subvideo_length),
        ("neighbor-length", neighbor_length),
        ("ref-stride", ref_stride),
        ("raft-iterations", raft_iterations),
        ("expand-left", &border.left),
        ("expand-right", &border.right),
        ("expand-top", &border.top),
        ("expand-bottom", &border.bottom),
    ] {
        element.set_property(name, *value as u32);
    }
    let info = info(VideoFormat::Rgb, clip.width as u32, clip.height as u32);
    let mut harness = harness(&element, &info);
    for t in 0..clip.length {
        let mut buffer = gst::Buffer::from_slice(clip.frame(t).rgb().to_vec());
        buffer.get_mut().unwrap().set_pts(FRAME * t as u64);
        harness.push(buffer).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    let (width, height) = clip.out;
    let (left, top) = (border.left, border.top);
    let columns = left..left + clip.width;
    let rows = top..top + clip.height;
    let is_border = |at| !columns.contains(&(at % width)) || !rows.contains(&(at / width));
    let hole = (0..width * height).map(|at| u8::from(is_border(at)));
    let hole = Mask::from_luma(width, height, hole.collect());
    let out: Vec<_> = (0..clip.length)
        .map(|_| InpaintedFrame {
            frame: Frame::new(width, height, bytes(&harness.pull().unwrap())),
            hole: hole.clone(),
        })
        .collect();
    assert_near(&clip, "outpaint_tall through the element", &out);
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
