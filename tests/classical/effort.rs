//! The engine keeps to a time limit: the choice of the tier, and what the steps make of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use propainter::{
    Config, EffortStats, Frame, Mode, Model, Session, Tier, TimeLimit,
    internals::{
        classical::{Allowance, EffortControl, StepTimes},
        synthetic::{Scene, psnr_in_hole},
    },
    memory::Faults,
};
use proptest::prelude::*;

use super::{clip, open, run};

const INTERVAL: Duration = Duration::from_millis(40);
const FULL: Allowance = Allowance {
    interval: INTERVAL,
    left: INTERVAL,
};

/// What the frames of some content take in each tier, in milliseconds: flow, search, patches.
type Content = [[u64; 3]; Tier::ALL.len()];

/// Contents whose least tier takes `least` milliseconds at most. Each lower tier takes less than the
/// one above it, by factors that the control does not know.
fn content(least: u64) -> impl Strategy<Value = Content> {
    let steps = prop::array::uniform3(0..=least / 3);
    let factors = prop::collection::vec(prop::array::uniform3(1.0f64..4.0), Tier::ALL.len());
    (steps, factors).prop_map(|(mut steps, factors)| {
        let mut content = Content::default();
        for (tier, factors) in content.iter_mut().zip(factors).rev() {
            *tier = steps;
            for (step, factor) in steps.iter_mut().zip(factors) {
                *step = (*step as f64 * factor).ceil() as u64;
            }
        }
        content
    })
}

/// Runs one frame; returns its tier, and the milliseconds that it took.
fn frame(control: &mut EffortControl, content: &Content, allowance: Allowance) -> (Tier, u64) {
    let tier = control.begin(1000, allowance);
    let [flow, search, patches] = content[tier as usize].map(Duration::from_millis);
    let times = StepTimes {
        flow,
        search,
        patches,
    };
    control.end(times, false, allowance);
    (tier, content[tier as usize].iter().sum())
}

proptest! {
    #[test]
    fn no_two_frames_in_a_row_take_too_long_if_the_least_tier_fits(
        shots in prop::collection::vec((content(39), 1usize..80), 1..12),
        left in 39u64..100,
    ) {
        let mut control = EffortControl::default();
        let allowance = Allowance { left: Duration::from_millis(left), ..FULL };
        let mut before = false;
        for (content, frames) in shots {
            for _ in 0..frames {
                let late = frame(&mut control, &content, allowance).1 > left;
                prop_assert!(!(late && before));
                before = late;
            }
        }
    }

    #[test]
    fn more_time_never_means_less_effort(
        shots in prop::collection::vec((content(60), 1usize..40), 1..6),
        times in prop::array::uniform2(0u64..100),
    ) {
        let mut control = EffortControl::default();
        for (content, frames) in shots {
            (0..frames).for_each(|_| _ = frame(&mut control, &content, FULL));
            let (less, more) = (times[0].min(times[1]), times[0].max(times[1]));
            let [less, more] = [less, more].map(|left| {
                let left = Duration::from_millis(left);
                control.clone().begin(1000, Allowance { left, ..FULL })
            });
            prop_assert!(more <= less, "{more:?} {less:?}");
            let [less, more] = [times[0].min(times[1]), times[0].max(times[1])].map(|interval| {
                let interval = Duration::from_millis(interval);
                control.clone().begin(1000, Allowance { interval, ..FULL })
            });
            prop_assert!(more <= less, "{more:?} {less:?}");
        }
    }

    #[test]
    fn the_tier_settles(content in content(25)) {
        let mut control = EffortControl::default();
        let (mut late, mut frames) = (0, 0);
        for _ in 0..10_000 {
            let (_, time) = frame(&mut control, &content, FULL);
            late += u64::from(time > 40);
            frames += 1;
        }
        // Each try of a tier that is too expensive waits twice as long as the one before.
        prop_assert!(control.changes() < 40, "{}", control.changes());
        prop_assert!(late < 25, "{late} of {frames}");
    }
}

#[test]
fn cheap_content_gets_full_effort_and_expensive_content_loses_it_at_once() {
    let mut control = EffortControl::default();
    let cheap = [[2, 3, 1]; 5];
    let first_full = (0..).find(|_| frame(&mut control, &cheap, FULL).0 == Tier::Full);
    assert!(
        first_full.is_some_and(|frames| frames < 50),
        "{first_full:?}"
    );
    let expensive = [
        [20, 60, 100],
        [20, 40, 70],
        [16, 20, 40],
        [10, 8, 9],
        [8, 4, 4],
    ];
    assert_eq!(frame(&mut control, &expensive, FULL), (Tier::Full, 180));
    assert_eq!(frame(&mut control, &expensive, FULL), (Tier::Least, 16));
    assert!(control.tier() >= Tier::Low, "{:?}", control.tier());
    let changes = control.changes();
    (0..40).for_each(|_| _ = frame(&mut control, &expensive, FULL));
    assert!(control.changes() - changes <= 1, "it goes up slowly");
}

#[test]
fn a_frame_in_a_hurry_gets_less_effort_and_the_next_one_what_it_had() {
    let mut control = EffortControl::default();
    let content = [[6, 8, 8], [6, 6, 6], [5, 4, 4], [3, 2, 2], [2, 1, 1]];
    (0..200).for_each(|_| _ = frame(&mut control, &content, FULL));
    let (usual, changes) = (control.tier(), control.changes());
    let hurry = Allowance {
        left: Duration::from_millis(12),
        ..FULL
    };
    let (tier, time) = frame(&mut control, &content, hurry);
    assert!(tier > usual && time <= 12, "{tier:?}");
    assert_eq!(frame(&mut control, &content, FULL).0, usual);
    assert_eq!(control.changes(), changes);
}

/// A session whose clock moves on by `look` whenever the engine looks at it.
fn timed(width: usize, height: usize, look: Duration) -> Session {
    let faults = Faults::default();
    let looks = Arc::new(AtomicU64::new(0));
    faults.set_clock(move || look * looks.fetch_add(1, Relaxed) as u32);
    let mut config = Config {
        model: Model::Propagation,
        mask_dilation: 0,
        ..Config::new(width, height)
    };
    config.limits.faults = faults;
    Session::open(config).expect("the classical engine opens everywhere")
}

fn limit(left: Duration) -> Option<TimeLimit> {
    Some(TimeLimit {
        interval: INTERVAL,
        left,
    })
}

#[test]
fn a_limit_that_is_never_felt_changes_nothing() {
    let clip = clip(&Scene::new(96, 56, 3), 40);
    let without = run(&mut open(96, 56), &clip);
    let mut session = timed(96, 56, Duration::ZERO);
    assert_eq!(session.stats().memory.effort, EffortStats::default());
    session.set_time_limit(limit(INTERVAL));
    // The control has to learn that there is time.
    run(&mut session, &clip);
    run(&mut session, &clip);
    assert_eq!(session.stats().memory.effort.tier, Tier::Full);
    let with = run(&mut session, &clip);
    for (a, b) in without.iter().zip(&with) {
        assert_eq!(a.frame, b.frame);
    }
    let effort = session.stats().memory.effort;
    assert_eq!(effort.ended_early, 0);
    assert_eq!(effort.frames.iter().sum::<u64>(), 120);
}

#[test]
fn a_call_ends_soon_after_its_time_is_over_and_every_frame_is_filled() {
    let scene = Scene {
        parallax: 0.0,
        ..Scene::new(160, 96, 3)
    };
    let clip = clip(&scene, 30);
    let looks = |left: Duration| {
        let mut session = timed(160, 96, Duration::from_millis(1));
        session.set_time_limit(limit(left));
        let done = run(&mut session, &clip);
        assert_eq!(done.len(), clip.len());
        let worst = done.iter().enumerate().map(|(i, done)| {
            psnr_in_hole(&scene.truth(i), &done.frame, &done.hole).expect("a hole")
        });
        (
            session.stats().memory.effort,
            worst.fold(f64::MAX, f64::min),
        )
    };
    let (hurried, worst) = looks(Duration::ZERO);
    assert!(hurried.ended_early > 0);
    // It learns from the first one.
    let least = hurried.frames[Tier::Least as usize];
    assert_eq!(least, clip.len() as u64 - 1, "{hurried:?}");
    // Black would be 7 dB.
    assert!(worst > 15.0, "{worst}");
    let (calm, _) = looks(Duration::from_secs(100));
    assert_eq!(calm.ended_early, 0, "{calm:?}");
}

/// Returns frames with their truth; the logo is the hole.
fn session_in_tiers(scene: &Scene, frames: usize, tier: impl Fn(usize) -> Tier) -> Vec<Frame> {
    let faults = Faults::default();
    let mut config = Config {
        model: Model::Propagation,
        mode: Mode::Sliding,
        lookahead: 2,
        ..Config::new(scene.width, scene.height)
    };
    config.limits.faults = faults.clone();
    let mut session = Session::open(config).expect("the classical engine opens everywhere");
    session.set_time_limit(limit(Duration::from_secs(1000)));
    let mut done = Vec::new();
    for i in 0..frames {
        faults.set_tier(Some(tier(i)));
        done.extend(session.push(scene.frame(i), &scene.mask(i)).expect("push"));
    }
    done.extend(session.drain().expect("drain"));
    done.into_iter().map(|done| done.frame).collect()
}

/// Returns how much the error of the fill changes at each frame, in levels.
fn steps(scene: &Scene, fills: &[Frame]) -> Vec<f64> {
    let truths: Vec<Frame> = (0..fills.len()).map(|i| scene.truth(i)).collect();
    let error =
        |i: usize, at: usize| i32::from(fills[i].rgb()[at]) - i32::from(truths[i].rgb()[at]);
    let mask = scene.mask(0);
    let hole: Vec<_> = (0..mask.hole().len())
        .filter(|&at| mask.hole()[at] == 1)
        .collect();
    (1..fills.len())
        .map(|i| {
            let change = |&at: &usize| (error(i, 3 * at) - error(i - 1, 3 * at)).abs();
            f64::from(hole.iter().map(change).sum::<i32>()) / hole.len() as f64
        })
        .collect()
}

#[test]
fn a_change_of_the_tier_is_not_seen() {
    for pan in [(0.0, 0.0), (-3.3, 0.2)] {
        let scene = Scene {
            pan,
            parallax: 0.0,
            object: false,
            ..Scene::new(320, 180, 3)
        };
        let changing = |i: usize| match i {
            30..50 => Tier::Least,
            _ => Tier::Full,
        };
        let steps = steps(&scene, &session_in_tiers(&scene, 70, changing));
        let usual = steps[20..27].iter().copied().fold(0.0, f64::max);
        let changes = [26..34, 46..54].map(|at| steps[at].iter().copied().fold(0.0, f64::max));
        println!("{pan:?}: {usual:.2} usually, {changes:.2?} at the changes");
        assert!(
            changes.iter().all(|step| *step < 2.0 * usual + 0.5),
            "{pan:?}"
        );
    }
}
