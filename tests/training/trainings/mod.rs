//! Whole trainings at a tiny size: they go on bit for bit, and what they have trained is played.

mod cli;
mod steps;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use propainter::{
    Config, DeviceChoice, InpaintedFrame, Model, Session,
    internals::synthetic::Scene,
    weights::{Checkpoint, FilePrecision, Network, generated_tensors, write_safetensors},
};
use propainter_training::{
    checkpoint::{self, Saved},
    data::Size,
    run::{Ended, Observer, Report, log},
    train::{Kind, Settings, resume, start},
};

use super::data::clips::write_images;

/// Settings of a run at a tiny size, of folders of images.
fn settings(home: &Path, steps: u64) -> Settings {
    let data = home.join("data");
    for seed in 0..3 {
        let folder = data.join(seed.to_string());
        if !folder.exists() {
            write_images(&folder, Size::new(64, 64), seed, 8);
        }
    }
    let weights = |network: Network| {
        let file = home.join(format!("{}.safetensors", network.file_stem()));
        if !file.exists() {
            let tensors = generated_tensors(network);
            let checkpoint = Checkpoint::from_tensors(network, tensors).expect("whole");
            write_safetensors(&checkpoint, &file, FilePrecision::Full).expect("written");
        }
        file
    };
    Settings {
        data,
        size: (64, 64),
        batch: 1,
        at_once: None,
        steps,
        local: 4,
        references: 0,
        seed: 11,
        masks: "official".to_owned(),
        cache: home.join("cache"),
        cache_limit: 1 << 30,
        flows: None,
        validation_percent: 34.0,
        validation: None,
        init: None,
        init_discriminator: None,
        freeze: Vec::new(),
        learning_rate: None,
        raft: Some(weights(Network::Raft)),
        flow_completion: Some(weights(Network::FlowCompletion)),
        device: "cpu".to_owned(),
        precision: "fp32".to_owned(),
        recompute: None,
        vram_budget: 0,
        threads: 1,
        log_every: 2,
        checkpoint_every: 5,
        sample_every: 10,
    }
}

/// Fills a clip with the networks of a folder of checkpoints.
fn play(weights: &Path) -> Vec<InpaintedFrame> {
    let scene = Scene::new(64, 64, 5);
    let mut session = Session::open(Config {
        model: Model::Propainter,
        weights: Some(weights.to_owned()),
        device: DeviceChoice::Cpu,
        ..Config::new(64, 64)
    })
    .expect("the session reads the checkpoints");
    let mut frames = Vec::new();
    for t in 0..6 {
        frames.extend(
            session
                .push(scene.frame(t), &scene.mask(t))
                .expect("a frame"),
        );
    }
    frames.extend(session.drain().expect("the rest"));
    frames
}

/// Remarks of a run, which may stop it at a step.
#[derive(Default)]
struct Notes<'a> {
    texts: Vec<String>,
    stop_at: Option<(u64, &'a AtomicBool)>,
}

impl Observer for Notes<'_> {
    fn report(&mut self, report: &Report<'_>) {
        match report {
            Report::Notice(text) => self.texts.push((*text).to_owned()),
            Report::Step(progress) => {
                if let Some((step, stop)) = self.stop_at
                    && progress.step >= step
                {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            _ => {}
        }
    }
}

/// Returns the files of the last checkpoint of a run, but for the time in archives.
fn weights_of(folder: &Path, network: Network, step: u64) -> Saved {
    checkpoint::read(&folder.join("checkpoints"), network, step).expect("a whole checkpoint")
}

/// Longest wait for seven steps of a process.
const LIMIT: Duration = Duration::from_secs(600);

/// What the next test kills.
#[test]
#[ignore = "another test starts it as a process of its own"]
fn a_training_to_be_killed() {
    let home = std::env::var("PROPAINTER_TEST_RUN").expect("the folder of the test");
    let home = Path::new(&home);
    let settings = Settings {
        log_every: 1,
        ..settings(home, 10)
    };
    let (parts, never) = (home.join("parts"), AtomicBool::new(false));
    start(
        Kind::FlowCompletion,
        &settings,
        &parts,
        &mut Notes::default(),
        &never,
    )
    .unwrap();
}

#[test]
fn twenty_steps_of_flow_completion_are_played_and_go_on_bit_for_bit() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let settings = settings(home, 20);
    let never = AtomicBool::new(false);
    let whole = home.join("whole");
    let mut notes = Notes::default();
    let summary = start(Kind::FlowCompletion, &settings, &whole, &mut notes, &never).unwrap();
    assert_eq!(
        (summary.ended, summary.progress.step),
        (Ended::Finished, 20)
    );
    assert!(
        notes.texts.iter().any(|text| text.contains("3 clips")),
        "{:?}",
        notes.texts
    );
    let lines = log::read(&whole.join("log.jsonl")).unwrap();
    let last = lines
        .iter()
        .rfind(|line| line["validation"].is_object())
        .expect("a validation");
    for measure in ["psnr", "psnr_hole", "ssim", "flow_error_hole"] {
        assert!(last["validation"][measure].is_number(), "{last}");
    }

    // Killed and gone on with, it is the same.
    let parts = home.join("parts");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "trainings::a_training_to_be_killed"])
        .env("PROPAINTER_TEST_RUN", home)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let seventh = || {
        let lines = log::read(&parts.join("log.jsonl")).unwrap_or_default();
        lines.iter().any(|line| line["step"] == 7)
    };
    let begun = Instant::now();
    while !seventh() {
        assert!(child.try_wait().unwrap().is_none() && begun.elapsed() < LIMIT);
        thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let latest = fs::read_to_string(parts.join("checkpoints/latest.ckpt")).unwrap();
    assert_eq!(latest.trim(), "000005");
    resume(&parts, &mut Notes::default(), &never).unwrap();
    let network = Network::FlowCompletion;
    assert_eq!(
        weights_of(&parts, network, 10),
        weights_of(&whole, network, 10)
    );

    // A session reads the checkpoint as it is and fills a clip with it.
    let weights = home.join("weights");
    fs::create_dir(&weights).unwrap();
    let copy = |from: PathBuf, name: &str| fs::copy(from, weights.join(name)).unwrap();
    copy(
        whole.join("checkpoints/gen_000020.pth"),
        "recurrent_flow_completion.pth",
    );
    copy(
        home.join("raft-things.safetensors"),
        "raft-things.safetensors",
    );
    let generator =
        Checkpoint::from_tensors(Network::Generator, generated_tensors(Network::Generator));
    let file = weights.join("ProPainter.safetensors");
    write_safetensors(&generator.unwrap(), &file, FilePrecision::Full).unwrap();
    let frames = play(&weights);
    assert_eq!(frames.len(), 6);
}

#[test]
fn steps_of_the_generator_go_on_bit_for_bit() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let settings = Settings {
        local: 3,
        references: 2,
        batch: 1,
        checkpoint_every: 2,
        sample_every: 2,
        ..settings(home, 3)
    };
    let never = AtomicBool::new(false);
    let whole = home.join("whole");
    start(
        Kind::Generator,
        &settings,
        &whole,
        &mut Notes::default(),
        &never,
    )
    .unwrap();
    let parts = home.join("parts");
    let stop = AtomicBool::new(false);
    let mut notes = Notes {
        stop_at: Some((1, &stop)),
        ..Notes::default()
    };
    start(Kind::Generator, &settings, &parts, &mut notes, &stop).unwrap();
    resume(&parts, &mut Notes::default(), &never).unwrap();
    let network = Network::Generator;
    assert_eq!(
        weights_of(&parts, network, 3),
        weights_of(&whole, network, 3)
    );
}

#[test]
fn settings_that_cannot_work_are_named_before_anything_is_written() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let good = settings(home, 1);
    let never = AtomicBool::new(false);
    let run = home.join("run");
    let says = |kind, settings: Settings, text: &str| {
        let error = start(kind, &settings, &run, &mut Notes::default(), &never);
        let error = error.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
        assert!(!run.exists(), "{text}");
    };
    let with = |change: &dyn Fn(&mut Settings)| {
        let mut settings = good.clone();
        change(&mut settings);
        settings
    };
    use Kind::{FlowCompletion, Generator};
    says(
        FlowCompletion,
        with(&|s| s.size = (60, 64)),
        "multiples of 8",
    );
    says(
        FlowCompletion,
        with(&|s| (s.batch, s.at_once) = (3, Some(2))),
        "divide the clips of a step",
    );
    says(
        FlowCompletion,
        with(&|s| s.masks = "hole".to_owned()),
        "there are no masks `hole`",
    );
    says(
        FlowCompletion,
        with(&|s| s.raft = None),
        "needs a checkpoint of RAFT",
    );
    says(
        Generator,
        with(&|s| s.flow_completion = None),
        "needs checkpoints of RAFT and of flow",
    );
    let raft = good.raft.clone();
    says(
        Generator,
        with(&|s| s.flow_completion = raft.clone()),
        "raft-things",
    );
    says(
        FlowCompletion,
        with(&|s| s.freeze = vec!["decoder9".to_owned()]),
        "`decoder9`",
    );
    says(
        FlowCompletion,
        with(&|s| s.init = raft.clone()),
        "raft-things",
    );
    says(
        FlowCompletion,
        with(&|s| s.data = home.join("none")),
        "none",
    );
    says(
        FlowCompletion,
        with(&|s| s.local = 8),
        "no clip of more than 8 frames",
    );
}
