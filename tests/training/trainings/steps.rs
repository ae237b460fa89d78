//! Steps of both trainings against the vectors of the official ones.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use propainter::weights::Network;
use propainter_tests::golden::{Vectors, generated_tensors};
use propainter_training::{
    discriminator::Discriminator,
    networks::{Computing, GeneratorClip, state},
    optimizer::MultiStep,
    parameters::Parameters,
    run::{Losses, Step},
    train::{FlowCompletionTrainer, GeneratorPart, GeneratorTrainer, Learning, batch::Clips},
};
use serde_json::Value;

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

/// Leaves out where the gradient is next to nothing: the first step may take either sign there.
fn clear(gradient: &[f32], values: [Vec<f32>; 2]) -> (Vec<f32>, Vec<f32>) {
    let least = 1e-4 * gradient.iter().fold(0.0, |most: f32, g| most.max(g.abs()));
    let [ours, official] = values.map(|values| {
        let pairs = values.into_iter().zip(gradient);
        pairs
            .filter(|(_, g)| g.abs() >= least)
            .map(|(value, _)| value)
            .collect()
    });
    (ours, official)
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
        let ours = sliced(values, &figures["params"][key], "row_step");
        let official = vectors.floats(&name);
        let (ours, official) = match step {
            1 => clear(&vectors.floats(&format!("grad.{key}")), [ours, official]),
            _ => (ours, official),
        };
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
        let gradient = vectors.floats(&name);
        let step = |(old, &g): (f32, &f32)| {
            old - (rate * f64::from(g) / (f64::from(g.abs()) + 1e-8)) as f32
        };
        let expected = row(before).into_iter().zip(&gradient).map(step).collect();
        let (ours, expected) = clear(&gradient, [row(&after[key]), expected]);
        assert_steps(&ours, &expected, rate, tolerance, &name);
        compared += 1;
    }
    assert!(compared > 2, "{compared} tensors");
}

fn learning(schedule: &MultiStep) -> Learning {
    Learning {
        held: Vec::new(),
        schedule: schedule.clone(),
        computing: Computing::default(),
    }
}

/// What the frozen networks make of a clip of the vectors.
fn generator_clip(inputs: &Vectors, number: usize) -> GeneratorClip {
    let get = |key: &str| {
        let all = inputs.tensor::<5>(key, &device());
        one(&all, number).squeeze_dim::<4>(0)
    };
    GeneratorClip {
        updated: get("updated_frames"),
        masks: get("masks"),
        updated_masks: get("updated_masks"),
        flows: [get("completed_f"), get("completed_b")],
    }
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
        || FlowCompletionTrainer::new(initial.clone(), None, learning(&schedule), 2, &device());
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
        GeneratorTrainer::new(
            initial.clone(),
            judge,
            None,
            learning(&schedule),
            1,
            &device(),
        )
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
