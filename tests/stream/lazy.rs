//! Networks run only if a hole needs them: the result is that of computing everything.

use std::sync::LazyLock;

use propainter::{
    Config, DeviceChoice, Frame, InpaintedFrame, Limits, Mask, Mode, Model, Session,
    internals::{memory::budget::Plan, schedule::WindowParams, synthetic::Scene},
    memory::Faults,
};
use propainter_tests::golden::weights_folder;

use super::eager::Eager;

const SIZE: [usize; 2] = [64, 48];

static EAGER: LazyLock<Option<Eager>> = LazyLock::new(|| Eager::new(1));

fn config(params: WindowParams) -> Option<Config> {
    Some(Config {
        model: Model::Propainter,
        weights: Some(weights_folder()?.to_owned()),
        device: DeviceChoice::Cpu,
        mode: match params.lookahead {
            None => Mode::Reference,
            Some(_) => Mode::Sliding,
        },
        subvideo_length: params.subvideo_length,
        neighbor_length: params.neighbor_length,
        ref_stride: params.ref_stride,
        lookahead: params.lookahead.unwrap_or(1),
        scene_cuts: false,
        raft_iterations: 1,
        mask_dilation: 0,
        limits: Limits {
            faults: Faults::force_plan(Plan::LARGEST),
            ..Limits::default()
        },
        ..Config::new(SIZE[0], SIZE[1])
    })
}

/// Returns a clip whose frames have a hole where the text says `#`, a different one each time.
fn clip(holes: &str) -> Vec<(Frame, Mask)> {
    let scene = Scene::new(SIZE[0], SIZE[1], 3);
    let frames = holes.bytes().enumerate().map(|(t, hole)| {
        let mut mask = Mask::empty(SIZE[0], SIZE[1]);
        if hole == b'#' {
            let t = t as i64;
            mask.add_rectangle(8 + 5 * t % 30, 6 + 7 * t % 20, 17, 13);
        }
        (scene.frame(t), mask)
    });
    frames.collect()
}

fn run(session: &mut Session, clip: &[(Frame, Mask)]) -> Vec<Frame> {
    let mut done: Vec<InpaintedFrame> = Vec::new();
    for (frame, mask) in clip {
        let finals = session.push(frame.clone(), mask);
        done.extend(finals.expect("the frame is taken"));
    }
    done.extend(session.drain().expect("the rest comes out"));
    done.into_iter().map(|done| done.frame).collect()
}

/// Checks that the result is that of the eager networks; returns the number of stages run.
fn assert_eager(holes: &str, params: WindowParams) -> u64 {
    let (Some(eager), Some(config)) = (&*EAGER, config(params)) else {
        return 0;
    };
    let clip = clip(holes);
    let mut session = Session::open(config).expect("the session opens");
    let out = run(&mut session, &clip);
    let expected = eager.inpaint(&clip, params);
    assert_eq!(out.len(), expected.len());
    for (t, (out, expected)) in out.iter().zip(&expected).enumerate() {
        assert!(out == expected, "frame {t} of {holes}, {params:?}");
    }
    session.stats().memory.runs
}

fn params(numbers: [usize; 3], lookahead: Option<usize>) -> WindowParams {
    let [subvideo_length, neighbor_length, ref_stride] = numbers;
    WindowParams {
        subvideo_length,
        neighbor_length,
        ref_stride,
        lookahead,
    }
}

#[test]
fn without_holes_no_network_runs() {
    for lookahead in [None, Some(2)] {
        let Some(config) = config(params([6, 4, 3], lookahead)) else {
            return;
        };
        let mut session = Session::open(config).expect("the session opens");
        let clip = clip(&".".repeat(40));
        for ((frame, _), out) in clip.iter().zip(run(&mut session, &clip)) {
            assert!(out == *frame);
        }
        let usage = session.stats().memory;
        assert_eq!((usage.runs, usage.computing.as_nanos()), (0, 0));
    }
}

#[test]
fn whole_clips_of_holes_are_as_computed_at_once() {
    assert_eager("########", params([8, 4, 3], None));
    assert_eager("##########", params([9, 4, 3], Some(3)));
}

#[test]
fn holes_at_the_borders_of_chunks_and_long_stretches_without() {
    let chunks = params([4, 4, 3], None);
    let all = assert_eager("############", chunks);
    for holes in [
        // Only the last, and only the first frame of a chunk of 4.
        "...#........",
        "....#.......",
        // A hole that comes back after a long stretch without.
        "##........#.",
    ] {
        let few = assert_eager(holes, chunks);
        println!("{holes}: {few} runs of stages, {all} with holes everywhere");
        assert!(few < all || all == 0);
    }
}

#[test]
fn sliding_over_stretches_without_holes() {
    for (holes, lookahead) in [
        ("#...........", 3),
        (".....#...##...", 1),
        ("##.........#", 4),
    ] {
        let runs = assert_eager(holes, params([9, 4, 3], Some(lookahead)));
        println!("{holes}: {runs} runs of stages");
    }
}

#[test]
fn any_pattern_of_holes_gives_what_computing_everything_gives() {
    assert_patterns(7, 10, &patterns()[..3]);
}

#[test]
#[ignore = "long: make soak"]
fn any_long_pattern_of_holes_gives_what_computing_everything_gives() {
    for seed in 8..12 {
        assert_patterns(seed, 24, &patterns());
    }
}

/// Returns windows of both modes; the first three are of each kind.
fn patterns() -> [WindowParams; 6] {
    [
        params([6, 4, 3], None),
        params([9, 4, 3], Some(3)),
        params([3, 6, 1], Some(2)),
        params([4, 2, 2], None),
        params([30, 6, 5], None),
        params([8, 5, 2], Some(9)),
    ]
}

/// Tries patterns of at least this length: stretches of random length alternate between frames with
/// and without holes.
fn assert_patterns(seed: u64, length: usize, windows: &[WindowParams]) {
    let mut state = seed;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for &params in windows {
        let mut holes = String::new();
        while holes.len() < length {
            holes += &"#".repeat(1 + next(4) as usize);
            holes += &".".repeat(1 + next(9) as usize);
        }
        println!("{holes}, {params:?}: {}", assert_eager(&holes, params));
    }
}
