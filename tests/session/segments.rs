//! The segments of a clip, each in a session of its own, give the frames of one session.

use propainter::{
    Config, CropMode, Error, Frame, InpaintedFrame, Mask, Mode, Segment, Segments, Session,
    internals::synthetic::Scene, memory::Notice,
};

use super::{networks, propagation};

type Clip = Vec<(Frame, Mask)>;

/// Returns three scenes of `each` frames. Some frames have no mask.
fn clip(config: &Config, each: usize) -> Clip {
    let scenes = [3, 8, 5].map(|seed| Scene::new(config.width, config.height, seed));
    let frames = scenes
        .iter()
        .flat_map(|scene| (0..each).map(move |t| (scene.frame(t), scene.mask(t))));
    let hidden = |(t, (frame, mask)): (usize, (Frame, Mask))| match t % 17 {
        9..13 => (frame, Mask::empty(config.width, config.height)),
        _ => (frame, mask),
    };
    frames.enumerate().map(hidden).collect()
}

fn stream(config: &Config, clip: &[(Frame, Mask)]) -> Vec<InpaintedFrame> {
    let mut session = Session::open(config.clone()).expect("the session opens");
    let mut done = Vec::new();
    for (frame, mask) in clip {
        done.extend(
            session
                .push(frame.clone(), mask)
                .expect("the frame is taken"),
        );
    }
    done.extend(session.drain().expect("the rest comes out"));
    done
}

/// Runs the segments of about `frames` frames each. Checks them against `whole` and returns their
/// number.
fn check(config: &Config, clip: &Clip, whole: &[InpaintedFrame], frames: usize) -> usize {
    check_every(1, config, clip, whole, frames)
}

/// As [`check`], but runs only the last segment and every `step`-th before it.
fn check_every(
    step: usize,
    config: &Config,
    clip: &Clip,
    whole: &[InpaintedFrame],
    frames: usize,
) -> usize {
    let mut segments = Segments::new(config).expect("the clip can be divided");
    let starts: Vec<_> = clip
        .iter()
        .map(|(frame, mask)| segments.push(frame, mask))
        .enumerate()
        .filter_map(|(t, starts)| starts.then_some(t))
        .collect();
    let divided = segments.divide(clip.len(), frames, &starts);
    let mut next = 0;
    for (number, segment) in divided.iter().enumerate() {
        assert_eq!(segment.keep.start, next);
        next = segment.keep.end;
        if !(divided.len() - 1 - number).is_multiple_of(step) {
            continue;
        }
        let Segment { read, keep, .. } = segment.clone();
        let config = Config {
            segment: Some(segment.clone()),
            ..config.clone()
        };
        let done = stream(&config, &clip[read.clone()]);
        assert_eq!(done.len(), read.len());
        let kept = &done[keep.start - read.start..keep.end - read.start];
        for (t, kept) in keep.zip(kept) {
            assert!(*kept == whole[t], "frame {t} of {segment}");
        }
    }
    assert_eq!(next, clip.len());
    divided.len()
}

#[cfg(feature = "networks")]
#[test]
fn segments_of_the_official_procedure_equal_the_whole_clip() {
    official(10, &[(5, 6, 3)]);
}

#[cfg(feature = "networks")]
#[test]
#[ignore = "long: make soak"]
fn more_segments_of_the_official_procedure_equal_the_whole_clip() {
    official(16, &[(48, 1, 1), (24, 2, 1), (15, 4, 1), (5, 10, 1)]);
}

/// Divides three scenes of `each` frames into segments of about so many frames, counts them, and
/// runs the last one and each so-manieth before it.
#[cfg(feature = "networks")]
fn official(each: usize, divisions: &[(usize, usize, usize)]) {
    let Some(config) = networks(64, 48) else {
        return;
    };
    let config = Config {
        subvideo_length: 6,
        neighbor_length: 4,
        ref_stride: 2,
        raft_iterations: 1,
        ..config
    };
    let clip = clip(&config, each);
    let whole = stream(&config, &clip);
    for &(frames, count, step) in divisions {
        let divided = check_every(step, &config, &clip, &whole, frames);
        assert_eq!(divided, count);
    }
}

#[cfg(feature = "networks")]
#[test]
fn segments_of_sliding_windows_equal_the_whole_clip() {
    let Some(config) = networks(192, 128) else {
        return;
    };
    let config = Config {
        mode: Mode::Sliding,
        subvideo_length: 8,
        neighbor_length: 4,
        ref_stride: 3,
        lookahead: 2,
        raft_iterations: 1,
        processing_width: Some(64),
        processing_height: Some(48),
        ..config
    };
    let clip = clip(&config, 7);
    let whole = stream(&config, &clip);
    assert_eq!(check(&config, &clip, &whole, 1), 3);
    let without = Config {
        scene_cuts: false,
        ..config
    };
    let mut segments = Segments::new(&without).expect("the clip can be divided");
    let starts = clip.iter().map(|(frame, mask)| segments.push(frame, mask));
    assert!(!starts.skip(1).any(|starts| starts), "nowhere");
}

#[test]
fn segments_without_networks_equal_the_whole_clip() {
    let config = Config {
        subvideo_length: 12,
        ..propagation(192, 128)
    };
    let clip = clip(&config, 30);
    let whole = stream(&config, &clip);
    let counts = [200, 40, 17, 1].map(|frames| check(&config, &clip, &whole, frames));
    println!("{counts:?} segments in mode=reference");
    assert!(counts[0] == 1 && counts.is_sorted() && counts[2] >= 5);

    let config = Config {
        mode: Mode::Sliding,
        lookahead: 4,
        ..config
    };
    let whole = stream(&config, &clip);
    for (frames, count) in [(90, 1), (60, 2), (30, 3), (1, 3)] {
        assert_eq!(check(&config, &clip, &whole, frames), count);
    }
    let config = Config {
        scene_cuts: false,
        ..config
    };
    let whole = stream(&config, &clip);
    assert!(check(&config, &clip, &whole, 17) >= 5);
}

#[test]
fn a_session_that_finds_segments_fills_nothing_and_names_their_starts() {
    let config = Config {
        mode: Mode::Sliding,
        find_segments: true,
        ..propagation(192, 128)
    };
    let clip = clip(&config, 10);
    let mut session = Session::open(config).expect("the session opens");
    let mut done = Vec::new();
    for (frame, mask) in &clip {
        done.extend(
            session
                .push(frame.clone(), mask)
                .expect("the frame is taken"),
        );
    }
    done.extend(session.drain().expect("the rest comes out"));
    assert_eq!(done.len(), clip.len());
    for (done, (frame, _)) in done.iter().zip(&clip) {
        assert!(done.frame == *frame && done.hole.is_empty());
    }
    let starts: Vec<_> = session
        .notices()
        .into_iter()
        .filter_map(|notice| match notice {
            Notice::SegmentStart { frame } => Some(frame),
            _ => None,
        })
        .collect();
    assert_eq!(starts, [10, 20]);
}

/// Returns the message of an error of this configuration, of pushing so many frames, or of the end.
fn problem(config: Config, frames: usize) -> String {
    let mask = Mask::empty(config.width, config.height);
    let scene = Scene::new(config.width, config.height, 3);
    let all = || -> Result<(), Error> {
        let mut session = Session::open(config)?;
        for t in 0..frames {
            session.push(scene.frame(t), &mask)?;
        }
        session.drain()?;
        Ok(())
    };
    all().expect_err("it is refused").to_string()
}

#[test]
fn a_segment_that_is_wrong_or_incomplete_is_refused() {
    let of = |text: &str| Config {
        segment: Some(text.parse().expect("a segment")),
        ..propagation(64, 48)
    };
    let whole = problem(of("read=3..9,keep=4..9,total=20"), 0);
    assert!(
        whole.contains("use read=4..9,keep=4..9,total=20"),
        "{whole}"
    );
    for text in [
        "read=4..9,keep=4..4,total=20",
        "read=4..9,keep=4..9,total=8",
        "read=4..9,keep=3..9,total=20",
    ] {
        let problem = problem(of(text), 0);
        assert!(problem.contains("is no part of a clip"), "{problem}");
    }
    let right = of("read=4..9,keep=4..9,total=20");
    let early = problem(right.clone(), 4);
    assert!(early.contains("interrupted after 4 frames"), "{early}");
    let many = problem(right.clone(), 6);
    assert!(many.contains("more frames came"), "{many}");
    let crops = Config {
        crop_mode: CropMode::Crops,
        ..right
    };
    assert!(problem(crops, 0).contains("set crop-mode=off"));
    let Some(networks) = networks(64, 48) else {
        return;
    };
    let short = Config {
        segment: Some(
            "read=400..600,keep=400..600,total=2000"
                .parse()
                .expect("a segment"),
        ),
        ..networks
    };
    let short = problem(short, 0);
    assert!(short.contains("use read=235..726,keep=400..600"), "{short}");
}
