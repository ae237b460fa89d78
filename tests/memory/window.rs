//! The classical engine: its byte model against counted allocations, and its budget kept.

use propainter::{
    Border, Config, CropMode, Error, Limits, Mask, Mode, Model, Session,
    internals::{memory::counting::Watch, synthetic::Scene},
    memory::{Counting, Degradation, Notice, Step},
};

use super::turn;

/// What is run, and what of each image is hole: rectangles in hundredths of its sides.
struct Setting {
    name: &'static str,
    config: Config,
    holes: &'static [[u64; 4]],
    frames: usize,
}

const LOGO: &[[u64; 4]] = &[[70, 6, 20, 14]];
const CORNERS: &[[u64; 4]] = &[[2, 2, 8, 8], [88, 4, 9, 12], [30, 86, 40, 8]];
const HALF: &[[u64; 4]] = &[[0, 0, 60, 80]];
const ALL: &[[u64; 4]] = &[[0, 0, 100, 100]];

fn config(width: usize, height: usize, subvideo_length: usize) -> Config {
    Config {
        model: Model::Propagation,
        subvideo_length,
        whole: false,
        ..Config::new(width, height)
    }
}

fn mask(width: usize, height: usize, holes: &[[u64; 4]]) -> Mask {
    let mut mask = Mask::empty(width, height);
    let part = |side: usize, hundredths: u64| side as u64 * hundredths / 100;
    for &[x, y, w, h] in holes {
        let (x, y) = (part(width, x) as i64, part(height, y) as i64);
        mask.add_rectangle(x, y, part(width, w), part(height, h));
    }
    mask
}

struct Run {
    /// Most bytes during a call, less those before the session was opened.
    counted: u64,
    planned: u64,
    degraded: Degradation,
    look_ahead: usize,
    done: usize,
}

/// Lets what is final go at once.
fn run(config: Config, holes: &[[u64; 4]], frames: usize) -> Result<Run, Error> {
    run_panned(config, holes, frames, (-2.3, 0.1))
}

fn run_panned(
    config: Config,
    holes: &[[u64; 4]],
    frames: usize,
    pan: (f32, f32),
) -> Result<Run, Error> {
    let (width, height) = (config.width, config.height);
    let scene = Scene {
        pan,
        parallax: if pan.0 == 0.0 { 0.0 } else { 0.5 },
        ..Scene::new(width, height, 3)
    };
    let mask = mask(width, height, holes);
    // Threads have what they work with.
    rayon_warm();
    let before = Counting::live();
    let watch = Watch::new();
    let mut session = Session::open(config)?;
    let (mut counted, mut done) = (0, 0);
    for t in 0..frames {
        let frame = scene.frame(t);
        watch.restart();
        done += session.push(frame, &mask)?.len();
        counted = watch.peak().max(counted);
    }
    watch.restart();
    while let some @ 1.. = session.drain_some()?.len() {
        done += some;
    }
    counted = watch.peak().max(counted);
    let usage = session.stats().memory;
    Ok(Run {
        counted: counted - before,
        planned: usage.host_planned,
        degraded: usage.degraded,
        look_ahead: session.latency_frames(),
        done,
    })
}

fn rayon_warm() {
    let scene = Scene::new(96, 64, 3);
    let mut session = Session::open(config(96, 64, 4)).expect("it opens");
    for t in 0..3 {
        let frame = scene.frame(t);
        session.push(frame, &scene.mask(t)).expect("push");
    }
    session.drain().expect("drain");
}

/// The names of the settings that are left to `make soak`.
const LONG: [&str; 6] = [
    "logo, long",
    "half",
    "short",
    "narrow border, scaled, whole",
    "scaled, whole",
    "feathered",
];

fn settings() -> Vec<Setting> {
    let setting = |name, config, holes, frames| Setting {
        name,
        config,
        holes,
        frames,
    };
    let sliding = |config| Config {
        mode: Mode::Sliding,
        ..config
    };
    vec![
        setting("logo", config(640, 360, 20), LOGO, 26),
        setting("logo, long", config(320, 184, 80), LOGO, 90),
        setting("corners", config(640, 360, 20), CORNERS, 26),
        setting("half", config(480, 272, 12), HALF, 16),
        setting("all", config(320, 240, 6), ALL, 10),
        setting("short", config(640, 360, 2), LOGO, 8),
        setting(
            "border",
            Config {
                border: Border {
                    left: 80,
                    right: 80,
                    ..Border::default()
                },
                ..config(480, 360, 20)
            },
            &[],
            26,
        ),
        setting(
            "narrow border, scaled, whole",
            Config {
                border: Border {
                    left: 12,
                    ..Border::default()
                },
                resize_ratio: 0.6,
                whole: true,
                ..config(640, 480, 16)
            },
            LOGO,
            20,
        ),
        setting("sliding", sliding(config(640, 360, 30)), CORNERS, 40),
        setting(
            "scaled",
            Config {
                processing_width: Some(320),
                processing_height: Some(184),
                ..config(1280, 720, 20)
            },
            LOGO,
            26,
        ),
        setting(
            "scaled, whole",
            Config {
                whole: true,
                ..config(854, 480, 16)
            },
            LOGO,
            22,
        ),
        setting(
            "feathered",
            Config {
                mask_feather: 5,
                ..config(640, 360, 12)
            },
            LOGO,
            16,
        ),
        setting(
            "crop",
            Config {
                crop_mode: CropMode::Crops,
                ..config(1280, 720, 20)
            },
            &[[10, 10, 10, 10]],
            30,
        ),
    ]
}

#[test]
fn the_model_is_near_what_is_counted_and_never_below() {
    assert_near(|name| !LONG.contains(&name));
}

#[test]
#[ignore = "long: make soak"]
fn the_model_is_near_in_more_settings() {
    assert_near(|name| LONG.contains(&name));
}

/// Runs the settings of which `wanted` wants the name, and fails where the model is below what was
/// counted, or far above it.
fn assert_near(wanted: impl Fn(&str) -> bool) {
    let _turn = turn();
    let mut wrong = Vec::new();
    println!("| setting | counted MB | model MB | above |");
    for Setting {
        name,
        config,
        holes,
        frames,
    } in settings()
        .into_iter()
        .filter(|setting| wanted(setting.name))
    {
        // What a pan shows is copied, what nothing shows is invented.
        let runs = [(-2.3, 0.1), (0.0, 0.0)].map(|pan| {
            let run = run_panned(config.clone(), holes, frames, pan).expect("nothing is too much");
            assert_eq!(run.done, frames, "{name}");
            run
        });
        let [mut run, still] = runs;
        run.counted = run.counted.max(still.counted);
        let above = (run.planned as f64 / run.counted as f64 - 1.0) * 100.0;
        println!(
            "| {name} | {:.1} | {:.1} | {above:.1} % |",
            run.counted as f64 / 1e6,
            run.planned as f64 / 1e6
        );
        // A frame whose border is all invented takes more than any here; the model covers it.
        let most = if name == "border" { 65.0 } else { 45.0 };
        if !(0.0..=most).contains(&above) {
            wrong.push(format!("{name}: {above:.1} %"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn crops_that_are_laid_out_again_stay_within_the_model() {
    let _turn = turn();
    let config = Config {
        crop_mode: CropMode::Crops,
        ..config(1280, 720, 20)
    };
    let scene = Scene::new(1280, 720, 3);
    let masks = [[[10, 10, 8, 8]], [[80, 70, 8, 8]]].map(|holes| mask(1280, 720, &holes));
    let before = Counting::live();
    let watch = Watch::new();
    let mut session = Session::open(config).expect("nothing is too much");
    let (mut counted, mut planned, mut done) = (0, 0, 0);
    for t in 0..60 {
        let frame = scene.frame(t);
        watch.restart();
        // The hole jumps when windows are full, and before they are.
        let mask = &masks[[0, 23, 26, 41].partition_point(|&from| from <= t) % 2];
        done += session.push(frame, mask).expect("push").len();
        counted = watch.peak().max(counted);
        planned = session.stats().memory.host_planned.max(planned);
    }
    watch.restart();
    done += session.drain().expect("drain").len();
    assert_eq!(done, 60);
    counted -= before;
    assert!(counted <= planned, "{counted} of {planned}");
}

#[test]
fn a_budget_is_kept_by_a_shorter_window_then_by_a_smaller_picture() {
    let _turn = turn();
    for (holes, whole) in [(LOGO, false), (CORNERS, true)] {
        let config = Config {
            whole,
            ..config(320, 184, 40)
        };
        let all = run(config.clone(), holes, 50).expect("nothing is too much");
        assert!(all.degraded.is_empty() && all.look_ahead == 20);
        let mut smaller = false;
        for part in [3, 2, 1] {
            let limits = Limits {
                host_budget: all.planned * part / 4,
                ..Limits::default()
            };
            let budget = limits.host_budget;
            let run = run(
                Config {
                    limits,
                    ..config.clone()
                },
                holes,
                50,
            );
            let run = match run {
                Ok(run) => run,
                Err(Error::Budget { needed, .. }) if part == 1 => {
                    assert!(needed > budget);
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            assert_eq!(run.done, 50, "no frame is lost");
            assert!(run.counted <= budget, "{} of {budget}", run.counted);
            assert!(run.planned <= budget && run.look_ahead <= 20);
            let window = run.degraded.contains(Step::Window);
            smaller |= run.degraded.contains(Step::Resolution);
            assert!(window || smaller, "{}", run.degraded);
        }
    }
}

#[test]
fn what_may_not_be_given_up_is_an_error_that_says_what_is_enough() {
    let _turn = turn();
    for (allowed, holes) in [
        (Degradation::NONE, LOGO),
        (Degradation::NONE.with(Step::Window), HALF),
        (Degradation::ALL, ALL),
    ] {
        let with = |host_budget| Config {
            limits: Limits {
                host_budget,
                allow_degradation: allowed,
                ..Limits::default()
            },
            ..config(320, 184, 16)
        };
        // At the start no hole is known yet, and with the first one it is.
        let mut budget = 1;
        for _ in 0..2 {
            let Err(Error::Budget {
                property, needed, ..
            }) = run(with(budget), holes, 20).map(|_| ())
            else {
                panic!("{budget} bytes are enough with {allowed}?");
            };
            assert_eq!(property, "host-budget");
            assert!(needed > budget);
            budget = needed;
        }
        let run = run(with(budget), holes, 20).expect("what it said is enough");
        assert!(run.counted <= budget, "{} of {budget}", run.counted);
        assert_eq!(run.done, 20);
        assert!(allowed.contains(Step::Window) || run.degraded.is_empty());
    }
}

#[test]
fn a_hole_that_grows_shortens_the_window_and_is_told_once() {
    let _turn = turn();
    let config = config(640, 360, 40);
    let small = run(config.clone(), LOGO, 50).expect("nothing is too much");
    let limits = Limits {
        host_budget: small.planned,
        ..Limits::default()
    };
    let mut session = Session::open(Config { limits, ..config }).expect("it opens");
    let scene = Scene::new(640, 360, 3);
    let masks = [LOGO, HALF].map(|holes| mask(640, 360, holes));
    let mut done = 0;
    for t in 0..60 {
        let frame = scene.frame(t);
        done += session.push(frame, &masks[t / 30]).expect("push").len();
        assert_eq!(session.latency_frames() < 20, t >= 30);
    }
    done += session.drain().expect("drain").len();
    assert_eq!(done, 60);
    let notices = session.notices();
    let degraded = notices.iter().filter(|notice| {
        matches!(notice, Notice::Degraded { step: Step::Window, from, .. } if from.contains("lookahead=20"))
    });
    assert_eq!(degraded.count(), 1, "{notices:?}");
    let planned = notices.iter().filter(
        |notice| matches!(notice, Notice::Planned { bytes, budget, .. } if bytes <= budget),
    );
    assert_eq!(planned.count(), 2, "{notices:?}");
}

#[test]
fn a_budget_that_does_not_bind_changes_no_pixel() {
    let _turn = turn();
    let scene = Scene::new(432, 240, 3);
    let images = |host_budget| {
        let limits = Limits {
            host_budget,
            ..Limits::default()
        };
        let config = Config {
            whole: true,
            limits,
            ..config(432, 240, 12)
        };
        let mut session = Session::open(config).expect("it opens");
        let mut done = Vec::new();
        for t in 0..20 {
            done.extend(session.push(scene.frame(t), &scene.mask(t)).expect("push"));
        }
        done.extend(session.drain().expect("drain"));
        done
    };
    assert!(images(0) == images(1 << 32));
}
