//! Runs: steps, checkpoints, what interrupts them and how they go on.

mod convolution;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use propainter_training::{
    data::{Clips, Sample, Sampler, SamplerSettings},
    run::{
        Ended, Evaluation, Observer, Report, Run, RunError, RunFolder, Schedule, Step, Summary,
        Trainer, folder::Position, log, trainer::TrainError,
    },
};
use serde_json::{Value, json};

use self::convolution::{Convolution, SIZE};
use super::data::clips::{Rectangle, scan, write_images};

const SCHEDULE: Schedule = Schedule {
    steps: 60,
    log_every: 4,
    checkpoint_every: 8,
    sample_every: 20,
};

/// Keeps all remarks, and asks to stop at a step.
#[derive(Default)]
struct Watch<'a> {
    notices: Vec<String>,
    validations: usize,
    stop_at: Option<(u64, &'a AtomicBool)>,
}

impl Observer for Watch<'_> {
    fn report(&mut self, report: &Report<'_>) {
        match report {
            Report::Notice(text) => self.notices.push((*text).to_owned()),
            Report::Validation { .. } => self.validations += 1,
            Report::Step(progress) => {
                if let Some((step, stop)) = self.stop_at
                    && progress.step == step
                {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            _ => {}
        }
    }
}

fn sampler(data: &Path, seed: u64) -> Sampler {
    if !data.exists() {
        for number in 0..5 {
            write_images(&data.join(format!("{number}")), SIZE, number, 9);
        }
    }
    let cache = data.parent().unwrap().join("cache");
    let clips = Clips::find(data, &scan(&cache, SIZE, 4), &mut |_, _| ()).unwrap();
    let settings = SamplerSettings {
        seed,
        size: SIZE,
        local: 4,
        references: 0,
        batch: 2,
        flows: None,
    };
    Sampler::new(settings, clips.clips, Arc::new(Rectangle))
}

/// Runs in a folder `name` beside the data, which is created or gone on with.
fn run(
    home: &Path,
    name: &str,
    trainer: &mut Convolution,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Summary, RunError> {
    let path = home.join(name);
    let folder = match path.join("settings.json").exists() {
        true => RunFolder::open(&path)?,
        false => RunFolder::create(&path, "convolution", json!({ "seed": 5 }))?,
    };
    let apart = sampler(&home.join("data"), 99);
    Run {
        folder: &folder,
        trainer,
        sampler: Arc::new(sampler(&home.join("data"), 5)),
        validation: Some(&apart),
        threads: 2,
        schedule: SCHEDULE,
        observer,
        stop,
    }
    .go()
}

fn plain(home: &Path, name: &str, trainer: &mut Convolution) -> Result<Summary, RunError> {
    run(
        home,
        name,
        trainer,
        &mut Watch::default(),
        &AtomicBool::new(false),
    )
}

/// Returns the log without what depends on the clock.
fn log_of(home: &Path, name: &str) -> Vec<Value> {
    let mut lines = log::read(&home.join(name).join("log.jsonl")).unwrap();
    for line in &mut lines {
        line.as_object_mut().unwrap().remove("time");
    }
    lines
}

#[test]
fn a_run_leaves_a_log_pictures_and_checkpoints() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut watch = Watch::default();
    let mut trainer = Convolution::new();
    let summary = run(
        home,
        "run",
        &mut trainer,
        &mut watch,
        &AtomicBool::new(false),
    )
    .unwrap();
    assert_eq!(
        (summary.ended, summary.progress.step),
        (Ended::Finished, 60)
    );
    let lines = log_of(home, "run");
    let losses: Vec<(u64, f64)> = lines
        .iter()
        .filter_map(|line| Some((line["step"].as_u64()?, line["losses"]["total"].as_f64()?)))
        .collect();
    assert_eq!(losses.len(), 15);
    assert!(losses[14].1 < 0.5 * losses[0].1, "it learns: {losses:?}");
    let validations: Vec<_> = lines
        .iter()
        .filter(|line| line["validation"].is_object())
        .collect();
    assert_eq!(
        (validations.len(), watch.validations),
        (8, 8),
        "each 8 steps and at the end"
    );
    for measure in ["psnr", "psnr_hole", "ssim", "weights"] {
        assert!(
            validations
                .iter()
                .all(|line| line["validation"][measure].is_number()),
            "{measure}"
        );
    }
    let path = home.join("run");
    for step in [20, 40, 60] {
        let picture = image::open(path.join(format!("samples/step_{step:06}.png"))).unwrap();
        assert_eq!(picture.width(), 3 * 32 + 4);
    }
    assert!(image::open(path.join("curves.png")).unwrap().width() > 500);
    let names = fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let events = names.filter(|name| name.to_string_lossy().starts_with("events.out.tfevents"));
    assert_eq!(events.count(), 1);
    // Nothing is left to do.
    let again = plain(home, "run", &mut trainer).unwrap();
    assert_eq!((again.ended, again.progress.step), (Ended::Finished, 60));
    assert_eq!(log_of(home, "run"), lines);
}

/// What [`a_killed_run_goes_on_as_if_it_had_not_been`] kills.
#[test]
#[ignore = "another test starts it as a process of its own"]
fn a_run_to_be_killed() {
    let home = std::env::var("PROPAINTER_TEST_RUN").expect("the folder of the test");
    let mut trainer = Convolution {
        pause: Duration::from_millis(4),
        ..Convolution::new()
    };
    plain(Path::new(&home), "killed", &mut trainer).unwrap();
}

#[test]
fn a_killed_run_goes_on_as_if_it_had_not_been() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut whole = Convolution::new();
    plain(home, "whole", &mut whole).unwrap();
    let mut starts = 0;
    loop {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "run::a_run_to_be_killed"])
            .env("PROPAINTER_TEST_RUN", home)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        starts += 1;
        // A different moment each time, once the run is at work.
        let log = home.join("killed/log.jsonl");
        let before = fs::metadata(&log).map_or(0, |about| about.len());
        let begun = Instant::now();
        let grew = || fs::metadata(&log).is_ok_and(|about| about.len() > before);
        while !grew()
            && child.try_wait().unwrap().is_none()
            && begun.elapsed() < Duration::from_secs(60)
        {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(37 * starts % 90));
        if starts > 6 {
            assert!(child.wait().unwrap().success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(log_of(home, "killed"), log_of(home, "whole"));
    let last = |name: &str| fs::read(home.join(name).join("checkpoints/gen_000060.json")).unwrap();
    assert_eq!(last("killed"), last("whole"));
}

#[test]
fn a_run_that_is_asked_to_stop_goes_on_from_there() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut whole = Convolution::new();
    plain(home, "whole", &mut whole).unwrap();
    let stop = AtomicBool::new(false);
    let mut watch = Watch {
        stop_at: Some((13, &stop)),
        ..Watch::default()
    };
    let stopped = run(home, "parts", &mut Convolution::new(), &mut watch, &stop).unwrap();
    assert_eq!((stopped.ended, stopped.progress.step), (Ended::Stopped, 13));
    let folder = RunFolder::open(&home.join("parts")).unwrap();
    assert_eq!(
        folder.latest().unwrap(),
        Some(Position {
            step: 13,
            batches: 13
        })
    );
    drop(folder);
    let mut rest = Convolution::new();
    plain(home, "parts", &mut rest).unwrap();
    assert_eq!(rest.weights, whole.weights);
}

#[test]
fn a_loss_that_is_no_number_is_named_and_its_step_skipped() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut watch = Watch::default();
    let mut trainer = Convolution {
        broken: Some((10, 2)),
        ..Convolution::new()
    };
    let summary = run(
        home,
        "run",
        &mut trainer,
        &mut watch,
        &AtomicBool::new(false),
    )
    .unwrap();
    assert_eq!((summary.progress.step, summary.progress.skipped), (60, 2));
    assert_eq!(
        watch.notices,
        vec!["step 11 was skipped: the loss total is NaN"; 2]
    );
    let folder = RunFolder::open(&home.join("run")).unwrap();
    assert_eq!(
        folder.latest().unwrap(),
        Some(Position {
            step: 60,
            batches: 62
        })
    );
    assert!(trainer.weights.iter().all(|weight| weight.is_finite()));

    let mut trainer = Convolution {
        broken: Some((10, 1000)),
        ..Convolution::new()
    };
    let error = plain(home, "hopeless", &mut trainer)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("20 steps in a row") && error.contains("loss total is NaN"),
        "{error}"
    );
    let mut rest = Convolution::new();
    let summary = plain(home, "hopeless", &mut rest).unwrap();
    assert_eq!(
        summary.progress.step, 60,
        "the checkpoint of step 8 was whole"
    );
}

#[test]
fn a_full_disk_leaves_the_last_checkpoint_whole() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut whole = Convolution::new();
    plain(home, "whole", &mut whole).unwrap();
    let mut trainer = Convolution {
        full: Some(24),
        ..Convolution::new()
    };
    let error = plain(home, "run", &mut trainer).unwrap_err();
    assert!(matches!(error, RunError::Training(_)), "{error}");
    let mut rest = Convolution::new();
    plain(home, "run", &mut rest).unwrap();
    assert_eq!(rest.weights, whole.weights);
    assert_eq!(log_of(home, "run"), log_of(home, "whole"));
    assert!(!home.join("run/checkpoints/gen_000024.json.part").exists());

    // The log itself: /dev/full refuses every byte.
    RunFolder::create(&home.join("full"), "convolution", Value::Null).unwrap();
    std::os::unix::fs::symlink("/dev/full", home.join("full/log.jsonl")).unwrap();
    let error = plain(home, "full", &mut Convolution::new())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("log.jsonl") && error.contains("file system is full"),
        "{error}"
    );
}

#[test]
fn a_folder_has_one_run_and_one_process() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run");
    let says = |result: Result<RunFolder, RunError>, text: &str| {
        let error = result.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    says(RunFolder::open(&path), "has no run");
    let settings = json!({ "seed": 3 });
    let folder = RunFolder::create(&path, "generator", settings.clone()).unwrap();
    says(RunFolder::open(&path), "in use by another process");
    says(
        RunFolder::create(&path, "generator", Value::Null),
        "in use by another process",
    );
    drop(folder);
    says(
        RunFolder::create(&path, "generator", Value::Null),
        "has a run already",
    );
    let folder = RunFolder::open(&path).unwrap();
    assert_eq!(
        (folder.training(), folder.settings()),
        ("generator", &settings)
    );
    assert_eq!(folder.latest().unwrap(), None);
    fs::write(
        folder.checkpoints().join("latest.ckpt"),
        "000005\nnothing\n",
    )
    .unwrap();
    assert!(
        folder
            .latest()
            .unwrap_err()
            .to_string()
            .contains("not the number of a step")
    );
    // As the official training leaves it.
    fs::write(folder.checkpoints().join("latest.ckpt"), "000005\n000010\n").unwrap();
    assert_eq!(
        folder.latest().unwrap(),
        Some(Position {
            step: 10,
            batches: 10
        })
    );
    drop(folder);

    let file = path.join("settings.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"version\": 1", "\"version\": 7")).unwrap();
    says(RunFolder::open(&path), "has version 7");
    fs::write(&file, "{").unwrap();
    says(RunFolder::open(&path), "settings.json");
    let other = home.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("thesis.tex"), "").unwrap();
    says(
        RunFolder::create(&other, "generator", Value::Null),
        "not empty",
    );
}

#[test]
fn waiting_for_samples_is_measured() {
    /// A trainer that does nothing.
    struct Idle(AtomicU64);
    impl Trainer for Idle {
        fn name(&self) -> &'static str {
            "idle"
        }
        fn step(&mut self, _: &[Sample]) -> Result<Step, TrainError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Step::Done(vec![("total", 1.0)]))
        }
        fn evaluate(&self, sample: &Sample) -> Result<Evaluation, TrainError> {
            let (filled, measures) = (sample.frames.clone(), Vec::new());
            Ok(Evaluation { filled, measures })
        }
        fn save(&self, _: &Path, _: u64) -> Result<(), TrainError> {
            Ok(())
        }
        fn load(&mut self, _: &Path, _: u64) -> Result<(), TrainError> {
            Ok(())
        }
    }
    let home = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&home.path().join("run"), "idle", Value::Null).unwrap();
    let summary = Run {
        folder: &folder,
        trainer: &mut Idle(AtomicU64::new(0)),
        sampler: Arc::new(sampler(&home.path().join("data"), 1)),
        validation: None,
        threads: 1,
        schedule: Schedule {
            steps: 200,
            log_every: 0,
            checkpoint_every: 0,
            sample_every: 0,
        },
        observer: &mut Watch::default(),
        stop: &AtomicBool::new(false),
    }
    .go()
    .unwrap();
    assert!(summary.progress.waited > 0.5, "{:?}", summary.progress);
    assert!(summary.progress.steps_per_second > 0.0 && summary.progress.host_memory.is_some());
}
