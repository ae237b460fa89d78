//! Steps of both trainings against the vectors of the official ones, and whole runs: what is trained is
//! played.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use burn::tensor::{Device, Tensor};
use propainter::{
    Config, DeviceChoice, InpaintedFrame, Model, Session,
    internals::synthetic::Scene,
    weights::{Checkpoint, FilePrecision, Network, write_safetensors},
};
use propainter_tests::golden::{Vectors, generated_tensors};
use propainter_training::{
    checkpoint::{self, Saved},
    data::Size,
    discriminator::Discriminator,
    networks::state,
    optimizer::MultiStep,
    parameters::Parameters,
    run::{Ended, Losses, Observer, Report, Step, log},
    train::{
        FlowCompletionTrainer, GeneratorPart, GeneratorTrainer, Kind, Settings, batch::Clips,
        resume, start,
    },
};
use serde_json::Value;

use super::{clips::write_images, networks::steps::generator_clip};
use crate::vectors::{self, assert_figure, assert_steps, figures, frames, sliced, vectors};

/// The CPU, which does not record.
fn device() -> Device {
    Device::flex()
}

fn parameters(network: Network) -> Option<Parameters> {
    let tensors = generated_tensors(network)?;
    Some(state(network, tensors, &device()).expect("generated weights fit the layout"))
}

fn losses(step: Step) -> BTreeMap<&'static str, f64> {
    match step {
        Step::Done(losses) => Losses::into_iter(losses).collect(),
        Step::Skipped(reason) => panic!("skipped: {reason}"),
    }
}

fn by_key(parameters: &Parameters) -> BTreeMap<String, Vec<f32>> {
    let tensors = parameters.to_host().into_iter();
    tensors.map(|(key, tensor)| (key, tensor.data)).collect()
}

/// Holds the parameters after a step to the vectors. The key bias of the attention has no gradient but
/// noise.
fn assert_after(
    ours: &BTreeMap<String, Vec<f32>>,
    (vectors, figures): (&Vectors, &Value),
    step: u32,
    (rate, tolerance): (f64, f64),
) {
    let mut compared = 0;
    for (key, values) in ours {
        let name = format!("after{step}.{key}");
        if !vectors.keys().contains(&name) || key.ends_with("attention.key.bias") {
            continue;
        }
        let mut ours = sliced(values, &figures["params"][key], "row_step");
        let mut official = vectors.floats(&name);
        if step == 1 {
            // Where the gradient is next to nothing, the first step may take either sign.
            let gradient = vectors.floats(&format!("grad.{key}"));
            let least = 1e-4 * gradient.iter().fold(0.0, |most: f32, g| most.max(g.abs()));
            let mut clear = gradient.iter().map(|g| g.abs() >= least);
            ours.retain(|_| clear.next().unwrap_or(true));
            let mut clear = gradient.iter().map(|g| g.abs() >= least);
            official.retain(|_| clear.next().unwrap_or(true));
        }
        assert_steps(&ours, &official, rate, tolerance, &name);
        compared += 1;
    }
    assert!(compared > 2, "{compared} tensors");
}

/// Holds the parameters after a step of micro-batches to what Adam makes of the official gradients: a
/// first step is −rate·g/(|g| + ε).
fn assert_accumulated(
    before: &BTreeMap<String, Vec<f32>>,
    after: &BTreeMap<String, Vec<f32>>,
    (vectors, figures): (&Vectors, &Value),
    (rate, tolerance): (f64, f64),
) {
    let mut compared = 0;
    for (key, before) in before {
        let name = format!("accumulated_grad.{key}");
        if !vectors.keys().contains(&name) || key.ends_with("attention.key.bias") {
            continue;
        }
        let parameter = &figures["params"][key];
        let row = |values: &[f32]| sliced(values, parameter, "accumulated_row_step");
        let expected: Vec<f32> = row(before)
            .iter()
            .zip(vectors.floats(&name))
            .map(|(&old, g)| old - (rate * f64::from(g) / (f64::from(g.abs()) + 1e-8)) as f32)
            .collect();
        assert_steps(&row(&after[key]), &expected, rate, tolerance, &name);
        compared += 1;
    }
    assert!(compared > 2, "{compared} tensors");
}

fn one<const D: usize>(video: &Tensor<D>, number: usize) -> Tensor<D> {
    video.clone().narrow(0, number, 1)
}

#[test]
fn steps_of_flow_completion_are_the_official_ones() {
    let (Some(vectors), Some(figures), Some(initial)) = (
        vectors("flow_completion_step"),
        figures("flow_completion_step"),
        parameters(Network::FlowCompletion),
    ) else {
        return;
    };
    let both = |name: &str| {
        ["f", "b"].map(|letter| vectors.tensor::<5>(&format!("{name}_{letter}"), &device()))
    };
    let clips = Clips {
        frames: frames(&vectors, &device()),
        holes: vectors.tensor("masks", &device()),
        flows: both("flows"),
    };
    let edges = both("edges");
    let schedule = MultiStep::flow_completion();
    let rate = schedule.rate(0);
    let trainer =
        || FlowCompletionTrainer::new(initial.clone(), None, (&[], schedule.clone()), 2, &device());
    let mut whole = trainer();
    for step in 1..=3 {
        let ours = losses(whole.step_on(vec![(clips.clone(), edges.clone())]).unwrap());
        let official = &figures["losses"][format!("step{step}")];
        let tolerance = if step == 1 { 1e-5 } else { 1e-4 };
        for (name, official_name) in [
            ("total", "total"),
            ("flow", "flow_loss"),
            ("census", "warp_loss"),
            ("edge", "edge_loss"),
        ] {
            let official = official[official_name].as_f64().expect("a loss");
            assert_figure(ours[name], official, 0.0, tolerance, official_name);
        }
        if step != 2 {
            let tolerance = if step == 1 { 0.01 } else { 0.1 };
            let after = by_key(whole.parameters());
            assert_after(&after, (&vectors, &figures), step, (rate, tolerance));
        }
    }

    let parts = [0, 1].map(|number| {
        let clips = Clips {
            frames: one(&clips.frames, number),
            holes: one(&clips.holes, number),
            flows: clips.flows.each_ref().map(|flows| one(flows, number)),
        };
        (clips, edges.each_ref().map(|edges| one(edges, number)))
    });
    let mut divided = trainer();
    divided.step_on(parts.into()).unwrap();
    let (before, after) = (by_key(&initial), by_key(divided.parameters()));
    assert_accumulated(&before, &after, (&vectors, &figures), (rate, 0.01));
}

#[test]
fn steps_of_the_generator_and_its_discriminator_are_the_official_ones() {
    let (Some(inputs), Some(step_vectors), Some(judge_vectors)) = (
        vectors("generator_inputs"),
        vectors("generator_step"),
        vectors("discriminator_step"),
    ) else {
        return;
    };
    let (Some(step_figures), Some(judge_figures), Some(initial), Some(judge)) = (
        figures("generator_step"),
        figures("discriminator_step"),
        parameters(Network::Generator),
        vectors::discriminator(),
    ) else {
        return;
    };
    let (truth, holes) = (
        frames(&inputs, &device()),
        inputs.tensor("masks", &device()),
    );
    let part = |number: usize| GeneratorPart {
        truth: one(&truth, number),
        holes: one(&holes, number),
        inputs: vec![generator_clip(&inputs, number)],
    };
    let schedule = MultiStep::generator();
    let rate = schedule.rate(0);
    let trainer = || {
        let judge = Discriminator::new(judge.clone(), &device());
        let rates = (&[] as &[String], schedule.clone());
        GeneratorTrainer::new(initial.clone(), judge, None, rates, 1, &device())
    };
    let mut whole = trainer();
    for step in 1..=3 {
        let ours = losses(whole.step_on(vec![part(0)]).unwrap());
        let name = format!("step{step}");
        let (own, judging) = (
            &step_figures["losses"][&name],
            &judge_figures["losses"][&name],
        );
        for (name, official, floor, tolerances) in [
            ("total", &own["total"], 0.0, [1e-5, 2e-4, 3e-3]),
            ("hole", &own["hole"], 0.0, [1e-5, 2e-4, 3e-3]),
            ("rest", &own["valid"], 0.0, [1e-5, 2e-4, 3e-3]),
            (
                "adversarial",
                &own["gan_weighted"],
                0.01,
                [1e-5, 2e-4, 3e-3],
            ),
            ("discriminator", &judging["total"], 0.01, [1e-5, 1e-4, 1e-3]),
            (
                "discriminator_true",
                &judging["real"],
                0.01,
                [1e-5, 1e-4, 1e-3],
            ),
            (
                "discriminator_composed",
                &judging["fake"],
                0.01,
                [1e-5, 1e-4, 1e-3],
            ),
        ] {
            let official = official.as_f64().expect("a loss");
            assert_figure(
                ours[name],
                official,
                floor,
                tolerances[step as usize - 1],
                name,
            );
        }
        if step != 2 {
            let first = step == 1;
            let after = by_key(whole.parameters());
            let limit = if first { 0.2 } else { 0.4 };
            assert_after(&after, (&step_vectors, &step_figures), step, (rate, limit));
            let after = by_key(whole.discriminator().parameters());
            let limit = if first { 0.01 } else { 0.4 };
            assert_after(
                &after,
                (&judge_vectors, &judge_figures),
                step,
                (rate, limit),
            );
        }
    }

    let mut divided = trainer();
    divided.step_on(vec![part(0), part(1)]).unwrap();
    let (before, after) = (by_key(&initial), by_key(divided.parameters()));
    assert_accumulated(&before, &after, (&step_vectors, &step_figures), (rate, 0.2));
    let before = Discriminator::new(judge.clone(), &device());
    let before = by_key(before.parameters());
    let after = by_key(divided.discriminator().parameters());
    assert_accumulated(
        &before,
        &after,
        (&judge_vectors, &judge_figures),
        (rate, 0.01),
    );
}

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
            let tensors = generated_tensors_of(network);
            let checkpoint = Checkpoint::from_tensors(network, tensors).expect("whole");
            write_safetensors(&checkpoint, &file, FilePrecision::Full).expect("written");
        }
        file
    };
    Settings {
        data,
        size: (64, 64),
        batch: 2,
        at_once: 1,
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
        threads: 1,
        log_every: 2,
        checkpoint_every: 5,
        sample_every: 10,
    }
}

/// Weights by the rule, which need no file of vectors.
fn generated_tensors_of(network: Network) -> Vec<(String, propainter::weights::HostTensor)> {
    propainter::weights::generated_tensors(network)
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

    // Stopped and gone on with, it is the same.
    let parts = home.join("parts");
    let stop = AtomicBool::new(false);
    let mut notes = Notes {
        stop_at: Some((7, &stop)),
        ..Notes::default()
    };
    let summary = start(Kind::FlowCompletion, &settings, &parts, &mut notes, &stop).unwrap();
    assert_eq!((summary.ended, summary.progress.step), (Ended::Stopped, 7));
    resume(&parts, &mut Notes::default(), &never).unwrap();
    let network = Network::FlowCompletion;
    assert_eq!(
        weights_of(&parts, network, 20),
        weights_of(&whole, network, 20)
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
        Checkpoint::from_tensors(Network::Generator, generated_tensors_of(Network::Generator));
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
        with(&|s| (s.batch, s.at_once) = (3, 2)),
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
