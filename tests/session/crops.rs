//! Crops around holes, through the session.

use propainter::{
    Config, CropMode, Error, Frame, InpaintedFrame, Mask, Mode, Session,
    internals::synthetic::Scene,
};

use super::{networks, propagation};

const SIZE: (usize, usize) = (960, 544);

/// Returns the settings of the classical engine on crops, without dilation.
fn cropped() -> Config {
    Config {
        crop_mode: CropMode::Crops,
        mode: Mode::Sliding,
        mask_dilation: 0,
        subvideo_length: 20,
        lookahead: 4,
        scene_cuts: false,
        ..propagation(SIZE.0, SIZE.1)
    }
}

fn mask(holes: &[(usize, usize, usize, usize)]) -> Mask {
    let mut mask = Mask::empty(SIZE.0, SIZE.1);
    for &(x, y, width, height) in holes {
        mask.add_rectangle(x as i64, y as i64, width as u64, height as u64);
    }
    mask
}

/// Runs a clip through a session and calls `look` after each frame.
fn run(
    config: Config,
    clip: &[(Frame, Mask)],
    mut look: impl FnMut(usize, &Session),
) -> Vec<InpaintedFrame> {
    let mut session = Session::open(config).expect("the session opens");
    let mut done = Vec::new();
    for (i, (frame, mask)) in clip.iter().enumerate() {
        done.extend(session.push(frame.clone(), mask).expect("taken"));
        assert!(i + 1 - done.len() <= session.latency_frames(), "frame {i}");
        look(i, &session);
    }
    done.extend(session.drain().expect("the rest comes out"));
    let stats = session.stats();
    assert_eq!(stats.held, 0);
    assert_eq!(
        (stats.frames_in, stats.frames_out),
        (clip.len() as u64, clip.len() as u64)
    );
    done
}

/// Checks that one frame comes out for each, and that only the pixels of the mask are changed.
fn assert_filled(clip: &[(Frame, Mask)], done: &[InpaintedFrame]) {
    assert_eq!(done.len(), clip.len());
    for (i, ((frame, mask), done)) in clip.iter().zip(done).enumerate() {
        assert!(done.hole == *mask, "hole of frame {i}");
        let pixels = done.frame.rgb().chunks(3).zip(frame.rgb().chunks(3));
        let (mut changed, mut size) = (0, 0);
        for ((out, source), &hole) in pixels.zip(mask.hole()) {
            assert!(hole == 1 || out == source, "frame {i} outside the hole");
            changed += usize::from(out != source);
            size += usize::from(hole);
        }
        assert!(
            2 * changed >= size,
            "frame {i}: {changed} of {size} pixels changed"
        );
    }
}

fn clip(
    frames: usize,
    holes: impl Fn(usize) -> Vec<(usize, usize, usize, usize)>,
) -> Vec<(Frame, Mask)> {
    let scene = Scene {
        object: false,
        logo: false,
        ..Scene::new(SIZE.0, SIZE.1, 5)
    };
    let covered = (0..frames).map(|i| {
        let (mut frame, mask) = (scene.frame(i), mask(&holes(i)));
        for (pixel, &hole) in frame.rgb_mut().chunks_exact_mut(3).zip(mask.hole()) {
            if hole == 1 {
                pixel.copy_from_slice(&[255, 0, 255]);
            }
        }
        (frame, mask)
    });
    covered.collect()
}

#[test]
fn a_still_hole_is_filled_as_if_the_crop_were_the_frame() {
    // The hole with 88 pixels of context is smaller than the minimum size of a crop.
    let crop = (432, 240);
    let clip = clip(12, |_| vec![(700, 80, 90, 50)]);
    let done = run(cropped(), &clip, |_, session| {
        assert_eq!(session.stats().views, 1);
        assert_eq!(session.processing_size(), crop);
    });
    assert_filled(&clip, &done);
    // Without the edge of the frame, the hole would be in the middle of the crop.
    let (x, y) = (SIZE.0 - crop.0, 0);
    let cut = |frame: &Frame| {
        let rows = frame.rgb().chunks_exact(3 * SIZE.0).skip(y).take(crop.1);
        let rows = rows.flat_map(|row| row[3 * x..3 * (x + crop.0)].to_vec());
        Frame::new(crop.0, crop.1, rows.collect())
    };
    let mut hole = Mask::empty(crop.0, crop.1);
    hole.add_rectangle(700 - x as i64, 80, 90, 50);
    let small: Vec<_> = clip
        .iter()
        .map(|(frame, _)| (cut(frame), hole.clone()))
        .collect();
    let config = Config {
        width: crop.0,
        height: crop.1,
        crop_mode: CropMode::Whole,
        ..cropped()
    };
    for (large, small) in done.iter().zip(run(config, &small, |_, _| ())) {
        assert!(cut(&large.frame) == small.frame);
    }
}

#[test]
fn holes_come_and_go_each_in_a_crop_of_its_own() {
    let clip = clip(40, |i| {
        let (logo, ticker, late) = ((40, 30, 60, 40), (300, 500, 240, 30), (850, 40, 70, 60));
        match i {
            0..4 => vec![],
            4..14 => vec![logo],
            14..24 => vec![logo, ticker],
            24..34 => vec![ticker, late],
            _ => vec![logo, ticker, late],
        }
    });
    let mut views = vec![];
    let done = run(cropped(), &clip, |_, session| {
        views.push(session.stats().views)
    });
    assert_filled(&clip, &done);
    assert_eq!((views[3], views[13], views[23]), (1, 1, 2));
    assert_eq!(views[39], 3, "{views:?}");
}

#[test]
fn a_crop_goes_with_its_hole_and_the_fill_with_it() {
    let clip = clip(50, |i| vec![(40 + 15 * i, 100 + 6 * i, 60, 60)]);
    let done = run(cropped(), &clip, |_, session| {
        assert_eq!(session.stats().views, 1);
    });
    assert_filled(&clip, &done);
}

#[test]
fn what_jumps_or_grows_is_seen_anew_and_nothing_is_lost() {
    let clip = clip(24, |i| match i {
        0..6 => vec![(40, 30, 60, 40)],
        6..12 => vec![(850, 450, 60, 40)],
        12..18 => vec![(500, 100, 400, 300)],
        _ => vec![(20, 20, 900, 500)],
    });
    let mut sizes = vec![];
    let done = run(cropped(), &clip, |_, session| {
        sizes.push(session.processing_size())
    });
    assert_filled(&clip, &done);
    assert_eq!(sizes[5], (432, 240));
    assert_eq!(sizes[11], (432, 240));
    assert!(sizes[17].0 > 432 && sizes[17].0 < SIZE.0, "{sizes:?}");
    assert_eq!(
        sizes[23], SIZE,
        "a frame that is mostly hole is processed whole"
    );
}

#[test]
fn a_hole_that_comes_late_is_filled_from_the_past() {
    // The scenery passes from left to right, so the pixels behind the hole were visible before.
    let scene = Scene {
        pan: (6.0, 0.0),
        parallax: 0.0,
        object: false,
        logo: false,
        ..Scene::new(SIZE.0, SIZE.1, 5)
    };
    let hole = |i| {
        if i < 15 {
            vec![]
        } else {
            vec![(700, 300, 30, 60)]
        }
    };
    let clip: Vec<_> = (0..18).map(|i| (scene.frame(i), mask(&hole(i)))).collect();
    let done = run(cropped(), &clip, |_, _| ());
    let (sum, count) = (15..18).fold((0, 0), |(sum, count), i| {
        let (s, c) = propainter::internals::synthetic::square_error_in_hole(
            &clip[i].0,
            &done[i].frame,
            &done[i].hole,
        );
        (sum + s, count + c)
    });
    let psnr = 10.0 * (255.0 * 255.0 * count as f64 / sum as f64).log10();
    assert!(psnr > 30.0, "{psnr:.1} dB");
}

#[test]
fn a_flush_and_a_new_stream_begin_anew() {
    let clip = clip(8, |_| vec![(700, 80, 90, 50)]);
    let first = run(cropped(), &clip, |_, _| ());
    let mut session = Session::open(cropped()).expect("the session opens");
    for (frame, _) in &clip[..3] {
        let elsewhere = mask(&[(100, 400, 50, 50), (800, 400, 50, 50)]);
        session.push(frame.clone(), &elsewhere).expect("taken");
    }
    session.flush();
    let mut again = vec![];
    for (frame, mask) in &clip {
        again.extend(session.push(frame.clone(), mask).expect("taken"));
    }
    again.extend(session.drain().expect("the rest comes out"));
    assert!(first == again);
}

#[cfg(feature = "networks")]
#[test]
fn networks_see_crops_and_share_their_weights() {
    let Some(config) = networks(SIZE.0, SIZE.1) else {
        return;
    };
    let config = Config {
        raft_iterations: 1,
        neighbor_length: 2,
        ref_stride: 2,
        lookahead: 1,
        subvideo_length: 4,
        ..Config {
            model: config.model,
            weights: config.weights,
            device: config.device,
            ..cropped()
        }
    };
    let (a, b) = ((40, 30, 40, 30), (850, 440, 40, 30));
    let clip = clip(4, |i| if i < 2 { vec![a] } else { vec![a, b] });
    let mut views = vec![];
    let done = run(config.clone(), &clip, |_, session| {
        views.push(session.stats().views);
        assert!(session.plan().is_some());
    });
    assert_filled(&clip, &done);
    assert_eq!(views, [1, 1, 2, 2]);
    // If a budget is too small for several crops, one is used; if it is too small for one, an
    // error tells.
    let mut tight = config;
    tight.limits.vram_budget = 100 << 20;
    let error = Session::open(tight).err();
    assert!(matches!(error, Some(Error::Budget { .. })), "{error:?}");
}
