//! Budgets kept, memory that runs out, and what is given up.

use propainter::{
    Config, Error, Limits, Session,
    memory::{Degradation, Faults, Notice, Stage, Step},
};

use super::{hole, networks, run, turn};

const SIZE: [usize; 2] = [96, 64];
const FRAMES: usize = 10;

fn small() -> Option<Config> {
    Some(Config {
        subvideo_length: 6,
        neighbor_length: 4,
        ref_stride: 3,
        ..networks(SIZE[0], SIZE[1])?
    })
}

fn stream(limits: Limits) -> Option<(Session, Vec<propainter::InpaintedFrame>)> {
    let config = Config { limits, ..small()? };
    let mut session = Session::open(config).expect("the session opens");
    let mask = hole(SIZE[0], SIZE[1], 0.6);
    let done = run(&mut session, SIZE[0], SIZE[1], &mask, FRAMES);
    Some((session, done))
}

/// Largest difference of a sample.
fn difference(a: &[propainter::InpaintedFrame], b: &[propainter::InpaintedFrame]) -> u8 {
    let pairs = a
        .iter()
        .zip(b)
        .flat_map(|(a, b)| a.frame.rgb().iter().zip(b.frame.rgb()));
    pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

#[test]
fn out_of_memory_in_any_stage_loses_no_frame_and_changes_none() {
    let _turn = turn();
    let Some((_, whole)) = stream(Limits::default()) else {
        return;
    };
    for stage in Stage::ALL {
        let faults = Faults::default();
        faults.out_of_memory(stage, 1);
        let limits = Limits {
            faults: faults.clone(),
            allow_degradation: Degradation::NONE,
            ..Limits::default()
        };
        let Some((mut session, done)) = stream(limits) else {
            return;
        };
        assert_eq!(faults.pending(), 0, "{stage}");
        assert_eq!(session.stats().memory.out_of_memory, 1, "{stage}");
        let shrunk = session
            .notices()
            .into_iter()
            .filter(|notice| matches!(notice, Notice::Shrunk { stage: s, .. } if *s == stage));
        assert_eq!(shrunk.count(), 1, "{stage}");
        // The plans are exact; convolutions add up in another order.
        assert!(difference(&whole, &done) <= 1, "{stage}");
    }
}

#[test]
fn after_a_while_the_larger_plan_is_tried_again() {
    let _turn = turn();
    let faults = Faults::default();
    faults.out_of_memory(Stage::Flow, 0);
    let limits = Limits {
        faults,
        ..Limits::default()
    };
    let Some(config) = small() else {
        return;
    };
    let mut session = Session::open(Config { limits, ..config }).expect("the session opens");
    let largest = session.plan();
    let scene = propainter::internals::synthetic::Scene::new(SIZE[0], SIZE[1], 3);
    let mask = hole(SIZE[0], SIZE[1], 0.6);
    session
        .push(scene.frame(0), &mask)
        .expect("a smaller plan does");
    assert_ne!(session.plan(), largest);
    for t in 1..40 {
        session
            .push(scene.frame(t), &mask)
            .expect("the frame is taken");
    }
    assert_eq!(session.plan(), largest);
    assert_eq!(session.stats().memory.grown, 1);
    let notices = session.notices();
    assert!(
        notices
            .iter()
            .any(|notice| matches!(notice, Notice::Grown { .. }))
    );
}

#[test]
fn where_no_exact_plan_is_left_something_is_given_up_and_no_frame_is_lost() {
    let _turn = turn();
    let faults = Faults::default();
    // More often than there are exact plans.
    for run in 0..12 {
        faults.out_of_memory(Stage::Generator, run);
    }
    let Some(config) = small() else {
        return;
    };
    let limits = Limits {
        faults: faults.clone(),
        ..Limits::default()
    };
    let config = Config {
        neighbor_length: 10,
        limits,
        ..config
    };
    let mut session = Session::open(config).expect("the session opens");
    let look_ahead = session.latency_frames();
    let mask = hole(SIZE[0], SIZE[1], 0.6);
    let done = run(&mut session, SIZE[0], SIZE[1], &mask, FRAMES);
    assert_eq!(done.len(), FRAMES);
    assert_eq!(faults.pending(), 0);
    let degraded = session.stats().memory.degraded;
    assert!(degraded.contains(Step::Precision), "{degraded}");
    let notices = session.notices();
    assert!(notices.iter().any(|notice| matches!(
        notice,
        Notice::Degraded { step: Step::Precision, from, to } if from == "precision=fp32" && to == "precision=fp16"
    )), "{notices:?}");
    assert!(session.latency_frames() <= look_ahead);
}

#[test]
fn what_may_not_be_given_up_ends_in_an_error_that_names_the_stage() {
    let _turn = turn();
    let faults = Faults::default();
    for run in 0..40 {
        faults.out_of_memory(Stage::Completion, run);
    }
    let Some(config) = small() else {
        return;
    };
    let limits = Limits {
        faults,
        allow_degradation: Degradation::NONE,
        ..Limits::default()
    };
    let mut session = Session::open(Config { limits, ..config }).expect("the session opens");
    let scene = propainter::internals::synthetic::Scene::new(SIZE[0], SIZE[1], 3);
    let mask = hole(SIZE[0], SIZE[1], 0.6);
    let pushed = (0..FRAMES).try_for_each(|t| session.push(scene.frame(t), &mask).map(drop));
    let error = pushed.and_then(|()| session.drain().map(drop));
    let error = error.expect_err("completion has no memory");
    assert!(
        matches!(
            error,
            Error::OutOfMemory {
                stage: Stage::Completion,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("flow completion"), "{error}");
}

#[test]
fn a_budget_below_the_smallest_plan_is_refused_with_what_is_needed() {
    let _turn = turn();
    let Some(config) = small() else {
        return;
    };
    let open = |vram_budget, host_budget| {
        let limits = Limits {
            vram_budget,
            host_budget,
            ..Limits::default()
        };
        Session::open(Config {
            limits,
            ..config.clone()
        })
    };
    let Some(Error::Budget {
        property, needed, ..
    }) = open(1, 0).err()
    else {
        panic!("one byte is enough?");
    };
    assert_eq!(property, "vram-budget");
    assert!(open(needed - 1, 0).is_err());
    let mut session = open(needed, 0).expect("what it said is enough");
    let mask = hole(SIZE[0], SIZE[1], 0.6);
    run(&mut session, SIZE[0], SIZE[1], &mask, FRAMES);
    let usage = session.stats().memory;
    assert!(usage.device_peak <= needed, "{usage:?}");
    let Some(Error::Budget {
        property, needed, ..
    }) = open(0, 1).err()
    else {
        panic!("one byte of the host is enough?");
    };
    assert_eq!(property, "host-budget");
    let mut session = open(0, needed).expect("what it said is enough");
    run(&mut session, SIZE[0], SIZE[1], &mask, FRAMES);
    let usage = session.stats().memory;
    assert!(usage.host_peak <= needed, "{usage:?}");
}

#[test]
fn two_sessions_on_one_device_stay_within_both_budgets() {
    let _turn = turn();
    let Some(config) = small() else {
        return;
    };
    let limits = Limits {
        vram_budget: 700 << 20,
        ..Limits::default()
    };
    let config = Config { limits, ..config };
    let mut sessions = [(); 2].map(|()| Session::open(config.clone()).expect("the session opens"));
    let scene = propainter::internals::synthetic::Scene::new(SIZE[0], SIZE[1], 3);
    let mask = hole(SIZE[0], SIZE[1], 0.6);
    let mut out = [0; 2];
    for t in 0..FRAMES {
        for (session, out) in sessions.iter_mut().zip(&mut out) {
            *out += session
                .push(scene.frame(t), &mask)
                .expect("the frame is taken")
                .len();
        }
    }
    for (session, out) in sessions.iter_mut().zip(&mut out) {
        *out += session.drain().expect("the rest comes out").len();
        let usage = session.stats().memory;
        assert_eq!(usage.budget, 700 << 20);
        assert!(usage.device_peak <= 1400 << 20, "{usage:?}");
        assert_eq!(usage.out_of_memory, 0);
    }
    assert_eq!(out, [FRAMES; 2]);
}
