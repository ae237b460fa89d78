//! Scene cuts end the windows of `mode=sliding`, and nothing else does.

use gst::prelude::*;
use propainter::{
    Config, Frame, InpaintedFrame, Limits, Mask, Mode, Session,
    internals::{scene_cuts::Detector, synthetic::Scene},
    memory::{Faults, Notice, Stage},
};
use propainter_tests::shared::media;

use super::{networks, propagation};

type Clip = Vec<(Frame, Mask)>;

fn sliding(config: Config) -> Config {
    Config {
        mode: Mode::Sliding,
        subvideo_length: 12,
        neighbor_length: 6,
        lookahead: 3,
        ..config
    }
}

/// Returns frames with the masks of the objects to remove.
fn clip(scene: &Scene, frames: usize) -> Clip {
    (0..frames)
        .map(|t| (scene.frame(t), scene.mask(t)))
        .collect()
}

/// Adds empty masks to frames; any engine returns these at once.
fn plain(frames: impl IntoIterator<Item = Frame>) -> Clip {
    let with = |frame: Frame| {
        let none = Mask::empty(frame.width(), frame.height());
        (frame, none)
    };
    frames.into_iter().map(with).collect()
}

/// Runs a clip through a session; checks that one frame comes out for each, and that none is held
/// longer than stated.
fn stream(session: &mut Session, clip: &Clip) -> Vec<InpaintedFrame> {
    let mut done = Vec::new();
    let promised = session.latency_frames();
    for (t, (frame, mask)) in clip.iter().enumerate() {
        let finals = session.push(frame.clone(), mask);
        done.extend(finals.expect("the frame is taken"));
        assert!(t + 1 - done.len() <= promised);
        assert_eq!(session.stats().held, t + 1 - done.len());
    }
    done.extend(session.drain().expect("the rest comes out"));
    let stats = session.stats();
    assert_eq!((stats.frames_out, stats.held), (clip.len() as u64, 0));
    assert_eq!(done.len(), clip.len(), "one out per one in");
    done
}

/// Runs a clip through a new session; returns the frames and the number of cuts.
fn run(config: &Config, clip: &Clip) -> (Vec<InpaintedFrame>, u64) {
    let mut session = Session::open(config.clone()).expect("the session opens");
    let done = stream(&mut session, clip);
    (done, session.stats().scene_cuts)
}

/// Prints the largest difference within a clip and returns the number of its cuts.
fn cuts(name: &str, clip: &Clip) -> u64 {
    let (width, height) = (clip[0].0.width(), clip[0].0.height());
    let mut detector = Detector::new(1.0, 3);
    let differences = clip
        .iter()
        .filter_map(|(frame, mask)| detector.difference(frame, mask));
    let worst = differences.fold(0.0, f64::max);
    let empty = plain(clip.iter().map(|(frame, _)| frame.clone()));
    let found = run(&sliding(propagation(width, height)), &empty).1;
    println!("{name}, {width}x{height}: {found} cuts, differences up to {worst:.3}");
    found
}

#[test]
fn a_splice_is_one_cut_and_neither_scene_sees_the_other() {
    for (width, height, seeds) in [(64, 48, [4, 6]), (64, 48, [1, 2]), (136, 96, [4, 6])] {
        let scenes = seeds.map(|seed| Scene::new(width, height, seed));
        let [first, second] = scenes.map(|scene| clip(&scene, 7));
        // The networks are slow: one run is enough.
        let networks = networks(width, height).filter(|_| seeds[0] == 4 && width == 64);
        let configs = [Some(propagation(width, height)), networks];
        for config in configs.into_iter().flatten().map(sliding) {
            let spliced = [first.clone(), second.clone()].concat();
            let (done, found) = run(&config, &spliced);
            assert_eq!(found, 1, "{width}x{height} {seeds:?}");
            assert!(done[..7] == run(&config, &first).0, "a ghost before");
            assert!(done[7..] == run(&config, &second).0, "a ghost after");
        }
    }
}

#[test]
fn cuts_are_made_where_they_are_wanted_only() {
    let spliced = [1, 2]
        .map(|seed| clip(&Scene::new(64, 48, seed), 6))
        .concat();
    let config = sliding(propagation(64, 48));
    for config in [
        Config {
            mode: Mode::Reference,
            ..config.clone()
        },
        Config {
            scene_cuts: false,
            ..config.clone()
        },
        Config {
            scene_threshold: 1.0,
            ..config
        },
    ] {
        assert_eq!(run(&config, &spliced).1, 0);
    }
}

#[test]
fn another_stream_begins_without_a_cut() {
    let scenes = [1, 2].map(|seed| clip(&Scene::new(64, 48, seed), 6));
    let mut session = Session::open(sliding(propagation(64, 48))).expect("the session opens");
    let mut out = 0;
    for (round, clip) in scenes.iter().cycle().take(3).enumerate() {
        for (frame, mask) in clip {
            out += session
                .push(frame.clone(), mask)
                .expect("the frame is taken")
                .len();
        }
        if round == 0 {
            out += session.drain().expect("the rest comes out").len();
            assert_eq!(out, 6);
        } else {
            session.flush();
        }
    }
    assert_eq!(session.stats().scene_cuts, 0);
}

#[test]
fn a_scene_that_is_too_short_goes_with_the_next() {
    let scenes = [4, 6, 1].map(|seed| Scene::new(192, 128, seed));
    let of = |lengths: [usize; 3]| {
        let frames = scenes.iter().zip(lengths);
        plain(frames.flat_map(|(scene, length)| (0..length).map(|t| scene.frame(t))))
    };
    assert_eq!(cuts("long enough", &of([4, 3, 4])), 2);
    assert_eq!(cuts("too short", &of([4, 2, 4])), 1);
    assert_eq!(cuts("too short a start", &of([2, 4, 4])), 1);
    // A hop of the networks is five frames.
    let config = Config {
        neighbor_length: 10,
        ..sliding(propagation(192, 128))
    };
    assert_eq!(run(&config, &of([6, 4, 6])).1, 1);
    assert_eq!(run(&config, &of([6, 5, 6])).1, 2);
}

#[test]
fn what_happens_within_a_scene_is_no_cut() {
    let map = |frame: &Frame, to: &dyn Fn(f32) -> f32| {
        let mut frame = frame.clone();
        for byte in frame.rgb_mut() {
            *byte = to(f32::from(*byte)).round().clamp(0.0, 255.0) as u8;
        }
        frame
    };
    for (width, height) in [(64, 48), (192, 128), (432, 240)] {
        let scene = Scene::new(width, height, 4);
        let of = |scene: &Scene| plain((0..24).map(|t| scene.frame(t)));
        let fast = Scene {
            pan: (0.06 * width as f32, 0.0),
            ..scene.clone()
        };
        let swing = Scene {
            exposure: 0.4,
            ..scene.clone()
        };
        let lit = |change: &dyn Fn(usize, f32) -> f32| {
            plain((0..24).map(|t| map(&scene.frame(t), &|value| change(t, value))))
        };
        let flash = lit(&|t, v| if t / 2 == 5 { v + 0.8 * (255.0 - v) } else { v });
        let burnt = lit(&|t, v| if t / 2 == 5 { v + 120.0 } else { v });
        let white = lit(&|t, v| if t / 2 == 5 { 255.0 } else { v });
        let fade = lit(&|t, v| v * (t as f32 - 12.0).abs() / 12.0);
        for (name, clip) in [
            ("pan, object and logo", of(&scene)),
            ("fast pan", of(&fast)),
            ("exposure", of(&swing)),
            ("flash", flash),
            ("burnt flash", burnt),
            ("white flash", white),
            ("fade out and in", fade),
        ] {
            assert_eq!(cuts(name, &clip), 0, "{name}, {width}x{height}");
        }
    }
}

#[test]
fn a_cut_by_way_of_black_is_one() {
    let scenes = [4, 6].map(|seed| Scene::new(192, 128, seed));
    let frames = |scene: &Scene| (0..6).map(|t| scene.frame(t)).collect::<Vec<_>>();
    let black = vec![Frame::new(192, 128, vec![0; 3 * 192 * 128]); 3];
    let clip = [frames(&scenes[0]), black, frames(&scenes[1])].concat();
    assert_eq!(cuts("by way of black", &plain(clip)), 1);
}

#[cfg(feature = "networks")]
#[test]
fn memory_that_runs_out_around_a_cut_loses_no_frame() {
    let Some(config) = networks(64, 48) else {
        return;
    };
    let spliced = [1, 2]
        .map(|seed| clip(&Scene::new(64, 48, seed), 7))
        .concat();
    // The fault occurs in the drain at the cut: at once, or when some frames are final.
    for after in [0, 2] {
        let faults = Faults::default();
        // It occurs more often than there are exact plans, so another engine takes up the frames.
        for run in 0..7 {
            faults.out_of_memory(Stage::Generator, after + run);
        }
        let config = Config {
            neighbor_length: 10,
            ref_stride: 3,
            limits: Limits {
                faults: faults.clone(),
                ..Limits::default()
            },
            ..sliding(config.clone())
        };
        let mut session = Session::open(config).expect("the session opens");
        let done = stream(&mut session, &spliced);
        let notices = session.notices();
        let changed = |notice: &&Notice| matches!(notice, Notice::Degraded { .. });
        let changes = notices.iter().filter(changed).count();
        println!("after {after}: {changes} changes of the engine");
        assert!(changes > 0, "{notices:?}");
        assert_eq!((session.stats().scene_cuts, faults.pending()), (1, 0));
        for (t, (done, (source, _))) in done.iter().zip(&spliced).enumerate() {
            assert!(!done.hole.is_empty());
            let pixels = done.frame.rgb().chunks(3).zip(source.rgb().chunks(3));
            let same = pixels
                .zip(done.hole.hole())
                .all(|((out, source), &hole)| hole == 1 || out == source);
            assert!(same, "frame {t} is another one");
        }
    }
}

#[test]
fn a_ride_among_trees_is_one_scene() {
    let (Some(frames), Some(masks)) = (media("bmx-trees"), media("bmx-trees_mask")) else {
        return;
    };
    let clip: Clip = (0..80)
        .map(|t| {
            let image = image::open(frames.join(format!("{t:05}.jpg"))).expect("an image");
            let mask = image::open(masks.join(format!("{t:05}.png"))).expect("a mask");
            let (image, mask) = (image.to_rgb8(), mask.to_luma8());
            let (width, height) = (image.width() as usize, image.height() as usize);
            let hole = (mask.width() as usize, mask.height() as usize);
            (
                Frame::new(width, height, image.into_raw()),
                Mask::from_luma(hole.0, hole.1, mask.into_raw()),
            )
        })
        .collect();
    assert_eq!(cuts("bmx-trees", &clip), 0);
    assert_eq!(
        cuts("bmx-trees backwards", &clip.into_iter().rev().collect()),
        0
    );
}

#[test]
fn a_race_has_the_one_cut_that_is_in_it() {
    let Some(car) = media("running_car.mp4") else {
        return;
    };
    gst::init().expect("GStreamer starts");
    let (width, height) = (480, 272);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let raw = folder.path().join("car.rgb");
    let pipeline = gst::parse::launch(&format!(
        "filesrc location=\"{}\" ! decodebin ! videoconvert ! videoscale ! \
         video/x-raw,format=RGB,width={width},height={height} ! filesink location=\"{}\"",
        car.display(),
        raw.display()
    ))
    .expect("a pipeline");
    pipeline.set_state(gst::State::Playing).expect("it plays");
    let bus = pipeline.bus().expect("a pipeline has a bus");
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &ends);
    pipeline.set_state(gst::State::Null).expect("it stops");
    let end = end.expect("it ends in time");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    let bytes = std::fs::read(raw).expect("the frames");
    let frames = bytes.chunks_exact(3 * width * height);
    let frames: Vec<Frame> = frames
        .map(|rgb| Frame::new(width, height, rgb.to_vec()))
        .collect();
    // The red car passes the camera, which shows only snow for a moment, and then another car.
    assert!(frames.len() > 280);
    assert_eq!(
        cuts("running_car, the first car", &plain(frames[..270].to_vec())),
        0
    );
    assert_eq!(cuts("running_car", &plain(frames)), 1);
}
