//! Frames with a border: any size, whole or scaled, with masks and without.

use propainter::{Border, CropMode, Error, Mode, fill_single_frame};

use super::*;

const ODD: Border = Border {
    left: 5,
    right: 10,
    top: 3,
    bottom: 0,
};

/// Checks the size of what comes out, its hole, and that the picture is untouched outside the mask.
fn assert_expanded(
    done: &[InpaintedFrame],
    scene: &Scene,
    mask: &Mask,
    border: Border,
    frames: usize,
) {
    assert_eq!(done.len(), frames);
    let size = (scene.width, scene.height);
    let (width, height) = border.around(size);
    let picture = border.picture(size);
    for (t, done) in done.iter().enumerate() {
        assert_eq!((done.frame.width(), done.frame.height()), (width, height));
        let source = scene.frame(t);
        for (at, (out, &hole)) in done.frame.rgb().chunks(3).zip(done.hole.hole()).enumerate() {
            match picture.index([at / width, at % width]) {
                None => assert_eq!(hole, 1, "frame {t}: the border is hole"),
                Some(at) => {
                    assert!(
                        hole == 1 || mask.hole()[at] == 0,
                        "frame {t}: the mask is hole"
                    );
                    let source = &source.rgb()[3 * at..3 * at + 3];
                    assert!(hole == 1 || source == out, "frame {t} changed");
                }
            }
        }
    }
}

fn checked(config: Config, mask: &Mask, frames: usize) -> Vec<InpaintedFrame> {
    let (scene, border) = (scene(&config), config.border);
    let mut session = Session::open(config).expect("the session opens");
    let done = push(&mut session, &scene, mask, frames);
    assert_expanded(&done, &scene, mask, border, frames);
    done
}

#[test]
fn frames_of_any_size_get_a_border_of_any_width() {
    let both = |width, height| [Some(propagation(width, height)), networks(width, height)];
    for (width, height, frames) in [(1, 1, 2), (33, 21, 3), (64, 48, 4)] {
        for config in both(width, height).into_iter().flatten() {
            let config = Config {
                border: ODD,
                ..config
            };
            checked(config, &Mask::empty(width, height), frames);
        }
    }
}

#[test]
fn a_border_is_scaled_with_the_frame_and_keeps_its_size() {
    for config in [Some(propagation(90, 70)), networks(90, 70)]
        .into_iter()
        .flatten()
    {
        let config = Config {
            border: ODD,
            ..config
        };
        let mask = middle(&config);
        for (ratio, wanted, expected) in [
            (0.5, None, (48, 32)),
            (1.0, Some(45), (48, 72)),
            (1.0, Some(180), (208, 72)),
        ] {
            let config = Config {
                resize_ratio: ratio,
                processing_width: wanted,
                ..config.clone()
            };
            let session = Session::open(config.clone()).expect("the session opens");
            assert_eq!(session.processing_size(), expected);
            drop(session);
            checked(config, &mask, 3);
        }
    }
}

#[test]
fn a_feather_softens_the_mask_but_not_the_edge_of_the_picture() {
    let config = Config {
        border: ODD,
        mask_feather: 6,
        ..propagation(64, 48)
    };
    let mut mask = Mask::empty(64, 48);
    mask.add_rectangle(0, 10, 20, 20);
    let mut session = Session::open(config).expect("the session opens");
    let frame = Frame::new(64, 48, vec![200; 3 * 64 * 48]);
    for _ in 0..4 {
        session
            .push(frame.clone(), &mask)
            .expect("the frame is taken");
    }
    for done in session.drain().expect("the rest comes out") {
        // Black around the picture would show here.
        assert!(done.frame.rgb().iter().all(|byte| byte.abs_diff(200) <= 1));
    }
}

#[test]
fn only_the_pixels_of_the_hole_are_valid_where_no_others_are_asked_for() {
    let config = Config {
        border: ODD,
        resize_ratio: 0.7,
        ..propagation(96, 64)
    };
    let mask = middle(&config);
    let whole = checked(config.clone(), &mask, 5);
    let scene = scene(&config);
    let mut session = Session::open(Config {
        whole: false,
        ..config
    })
    .expect("the session opens");
    for (part, whole) in push(&mut session, &scene, &mask, 5).iter().zip(&whole) {
        assert_eq!(part.hole, whole.hole);
        let pixels = part.frame.rgb().chunks(3).zip(whole.frame.rgb().chunks(3));
        for ((a, b), _) in pixels.zip(part.hole.hole()).filter(|(_, hole)| **hole == 1) {
            assert_eq!(a, b);
        }
    }
}

#[test]
fn with_a_border_frames_are_never_cropped() {
    let config = Config {
        border: ODD,
        crop_mode: CropMode::Crops,
        mode: Mode::Sliding,
        ..propagation(1280, 720)
    };
    let mut mask = Mask::empty(1280, 720);
    mask.add_rectangle(100, 100, 60, 40);
    checked(config, &mask, 2);
}

#[test]
fn a_canvas_beyond_all_sizes_is_an_error_that_names_the_property() {
    for border in [
        Border {
            right: 40_000,
            ..ODD
        },
        Border {
            top: usize::MAX,
            ..ODD
        },
    ] {
        let config = Config {
            border,
            ..propagation(64, 48)
        };
        let error = Session::open(config).err().expect("it is refused");
        assert!(matches!(error, Error::Setting { .. }), "{error}");
        assert!(error.to_string().contains("expand-"), "{error}");
    }
}

#[test]
fn a_frame_that_cannot_wait_gets_its_border_too() {
    let config = propagation(64, 48);
    let (scene, mask) = (scene(&config), middle(&config));
    let done = fill_single_frame(&scene.frame(0), &mask, 0, ODD);
    assert_expanded(std::slice::from_ref(&done), &scene, &mask, ODD, 1);
    // Beside the edge the border is the picture, mirrored.
    let (left, width) = (ODD.left, 64 + ODD.left + ODD.right);
    let far = (ODD.top..ODD.top + 48).flat_map(|y| {
        let pixel = |x: usize| &done.frame.rgb()[3 * (y * width + x)..][..3];
        pixel(left - 1)
            .iter()
            .zip(pixel(left))
            .map(|(a, b)| a.abs_diff(*b))
    });
    assert!(far.max() <= Some(30));
}
