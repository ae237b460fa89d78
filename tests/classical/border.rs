//! The border around a picture: what other frames show of it, and its extension.

use std::ops::Range;

use propainter::{
    Border, Config, Frame, InpaintedFrame, Mask, Model, Rect, Session, internals::synthetic::Scene,
};

use super::run;

const BORDER: Border = Border {
    left: 40,
    right: 40,
    top: 0,
    bottom: 0,
};

/// Frames of a scene, each without its border, through a session that adds the border again.
fn expanded(frames: &[Frame], border: Border) -> Vec<InpaintedFrame> {
    let (width, height) = (
        frames[0].width() - border.left - border.right,
        frames[0].height() - border.top - border.bottom,
    );
    let picture = border.picture((width, height));
    let mut session = Session::open(Config {
        model: Model::Propagation,
        border,
        ..Config::new(width, height)
    })
    .expect("the classical engine opens everywhere");
    let clip: Vec<_> = frames
        .iter()
        .map(|frame| (cut(frame, &picture), Mask::empty(width, height)))
        .collect();
    let done = run(&mut session, &clip);
    assert_eq!(done.len(), frames.len());
    for (done, frame) in done.iter().zip(frames) {
        assert_eq!(done.frame.width(), frame.width());
        for (at, hole) in done.hole.hole().iter().enumerate() {
            let inside = picture
                .index([at / frame.width(), at % frame.width()])
                .is_some();
            assert_eq!(*hole == 0, inside);
            let [source, out] = [frame, &done.frame].map(|frame| &frame.rgb()[3 * at..3 * at + 3]);
            assert!(!inside || source == out, "the picture changed");
        }
    }
    done
}

fn cut(frame: &Frame, rect: &Rect) -> Frame {
    let rows = frame.rgb().chunks_exact(3 * frame.width());
    let rows = rows.skip(rect.rows.start).take(rect.rows.len());
    let row = |row: &[u8]| row[3 * rect.columns.start..3 * rect.columns.end].to_vec();
    let rgb = rows.flat_map(row).collect();
    Frame::new(rect.columns.len(), rect.rows.len(), rgb)
}

/// Returns the RGB bytes of the hole.
fn border(done: &InpaintedFrame) -> Vec<u8> {
    let pixels = done.frame.rgb().chunks_exact(3).zip(done.hole.hole());
    pixels
        .filter(|(_, hole)| **hole == 1)
        .flat_map(|(rgb, _)| rgb.to_vec())
        .collect()
}

#[test]
fn a_pan_shows_what_is_beyond_the_border() {
    let scene = Scene {
        pan: (-2.25, 0.0),
        parallax: 0.0,
        object: false,
        logo: false,
        ..Scene::new(256, 128, 7)
    };
    let truth: Vec<_> = (0..48).map(|i| scene.frame(i)).collect();
    let done = expanded(&truth, BORDER);
    // A side is shown within 18 frames.
    for t in 20..28 {
        let (mut sum, mut count) = (0.0, 0);
        for ((a, b), hole) in truth[t]
            .rgb()
            .iter()
            .zip(done[t].frame.rgb())
            .zip(done[t].hole.hole().iter().flat_map(|&hole| [hole; 3]))
        {
            if hole == 1 {
                sum += f64::from(a.abs_diff(*b)).powi(2);
                count += 1;
            }
        }
        let psnr = 10.0 * (255.0f64.powi(2) * f64::from(count) / sum).log10();
        println!("frame {t}: {psnr:.1} dB in the border");
        assert!(psnr >= 30.0, "frame {t}: {psnr:.1} dB");
    }
}

/// A still scene in colours that are never dark.
fn bright(frames: usize, object: bool) -> Vec<Frame> {
    let scene = Scene {
        pan: (0.0, 0.0),
        object,
        logo: false,
        ..Scene::new(240, 160, 5)
    };
    let bright = |frame: Frame| {
        let rgb = frame.rgb().iter().map(|&byte| 100 + byte / 2);
        Frame::new(frame.width(), frame.height(), rgb.collect())
    };
    (0..frames).map(|i| bright(scene.frame(i))).collect()
}

#[test]
fn what_no_frame_shows_is_neither_black_nor_unsteady() {
    let around = Border {
        left: 40,
        right: 24,
        top: 16,
        bottom: 30,
    };
    let still = expanded(&bright(12, false), around);
    for done in &still {
        assert_eq!(
            border(done),
            border(&still[0]),
            "the border of a still picture moves"
        );
        let (least, most) = border(done)
            .iter()
            .fold((255, 0), |(l, m), &b| (b.min(l), b.max(m)));
        assert!(least >= 100, "{least} is darker than the picture");
        assert!(most > least + 20, "the border has no structure");
    }
    // Each pixel of the border is compared with the one of the picture that it mirrors: what moves
    // near a corner of the picture is mirrored several times.
    let moving = expanded(&bright(24, true), around);
    let picture = around.picture((240 - 40 - 24, 160 - 16 - 30));
    let mirror = |at: usize, range: &Range<usize>| match at {
        _ if at < range.start => 2 * range.start - 1 - at,
        _ if at >= range.end => 2 * range.end - 1 - at,
        _ => at,
    };
    let (mut outside, mut mirrored) = (0, 0);
    for pair in moving.windows(2) {
        let change = |at: usize| -> u32 {
            let [a, b] = [0, 1].map(|i| &pair[i].frame.rgb()[3 * at..3 * at + 3]);
            a.iter()
                .zip(b)
                .map(|(a, b)| u32::from(a.abs_diff(*b)))
                .sum()
        };
        for at in (0..240 * 160).filter(|&at| pair[0].hole.hole()[at] == 1) {
            let (x, y) = (at % 240, at / 240);
            outside += change(at);
            mirrored += change(mirror(y, &picture.rows) * 240 + mirror(x, &picture.columns));
        }
    }
    println!("from frame to frame the border changes by {outside}, what it mirrors by {mirrored}");
    assert!(outside <= mirrored);
}

#[test]
fn borders_wider_than_the_picture_are_filled() {
    let wide = Border {
        left: 50,
        right: 3,
        top: 0,
        bottom: 37,
    };
    let frames: Vec<_> = (0..6)
        .map(|i| Frame::new(64, 48, vec![90 + i; 3 * 64 * 48]))
        .collect();
    for (t, done) in expanded(&frames, wide).iter().enumerate() {
        let far = border(done)
            .iter()
            .map(|&byte| byte.abs_diff(90 + t as u8))
            .max();
        assert!(far <= Some(1), "frame {t}: {far:?}");
    }
}
