//! A whole session on the device that `PROPAINTER_TEST_DEVICE` names.

use std::{
    panic,
    sync::atomic::{AtomicUsize, Ordering},
};

use propainter::{Config, Frame, Limits, Mask, Mode, Model, Precision, Session};
use propainter_tests::{
    alone::alone,
    golden::{device_choice, weights_folder},
};

/// Width and height of the frames.
const SIZE: [usize; 2] = [72, 64];
const FRAMES: usize = 4;

/// A frame with a pattern that moves.
fn frame(index: usize) -> Frame {
    let [width, height] = SIZE;
    let byte = |i: usize| {
        let (y, x) = (i / 3 / width, i / 3 % width + index);
        ((x * 37 + y * 11) ^ (x / 5 * 29 + y / 7 * 53)) as u8
    };
    Frame::new(width, height, (0..3 * width * height).map(byte).collect())
}

/// A mask of a square.
fn mask() -> Mask {
    let [width, height] = SIZE;
    let inside = |i: usize| (20..36).contains(&(i / width)) && (30..44).contains(&(i % width));
    let luma = (0..width * height).map(|i| u8::from(inside(i)) * 255);
    Mask::from_luma(width, height, luma.collect())
}

/// Runs a session at this precision.
fn run(precision: Precision) {
    let Some(weights) = weights_folder() else {
        return;
    };
    let config = Config {
        model: Model::Propainter,
        mode: Mode::Reference,
        device: device_choice(),
        weights: Some(weights.to_owned()),
        neighbor_length: 2,
        ref_stride: 2,
        raft_iterations: 2,
        limits: Limits {
            precision,
            ..Limits::default()
        },
        ..Config::new(SIZE[0], SIZE[1])
    };
    let mut session = Session::open(config).expect("the session opens");
    let mut out = Vec::new();
    for index in 0..FRAMES {
        let done = session.push(frame(index), &mask());
        out.extend(done.expect("the frame is taken"));
    }
    out.extend(session.drain().expect("the rest comes out"));
    assert_eq!(out.len(), FRAMES);
}

/// A user has a driver, and perhaps no CUDA toolkit. The tensor library looks for the toolkit where
/// `CUDA_PATH` says. It also catches panics of its own threads, so that nothing but their messages
/// would tell of them.
#[test]
fn a_session_needs_no_toolkit_and_does_not_panic() {
    let empty = tempfile::tempdir().expect("a folder");
    let path = empty.path().to_str().expect("UTF-8");
    let test = "gpu::toolkit::a_session_needs_no_toolkit_and_does_not_panic";
    if !alone(test, &[("CUDA_PATH", path)]) {
        return;
    }
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        print(info);
    }));
    for precision in [Precision::Fp32, Precision::Fp16, Precision::Bf16] {
        run(precision);
        let panics = PANICS.load(Ordering::Relaxed);
        assert_eq!(panics, 0, "panics in a session of {precision}");
    }
}
