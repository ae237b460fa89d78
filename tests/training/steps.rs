//! Whole steps of both trainings: three in a row, accumulated ones, and a run that is resumed.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use propainter::weights::Network;
use propainter_tests::golden::{self, Vectors};
use propainter_training::{
    checkpoint,
    discriminator::{self, Discriminator},
    networks::{GeneratorClip, state},
    optimizer::{Adam, AdamSettings, LossScale, MultiStep, Optimizer, Outcome},
    parameters::{Gradients, Parameters},
    step::{FlowBatch, FlowCompletionTraining, GeneratorBatch, GeneratorTraining},
};
use serde_json::Value;
use tempfile::tempdir;

use crate::vectors::{
    self, assert_figure, assert_near, assert_steps, by_key, device, figures, frames, host, norm,
    sliced, vectors,
};

fn optimizer(schedule: MultiStep) -> Optimizer {
    let adam = Adam::new(AdamSettings::default());
    Optimizer::new(adam, schedule, LossScale::off())
}

fn parameters(network: Network, device: &Device) -> Option<Parameters> {
    let tensors = golden::generated_tensors(network)?;
    Some(state(network, tensors, device).expect("the network's tensors"))
}

/// Fails unless gradients and their norms are the vectors'; the key bias is noise around 0.
fn assert_gradients(
    gradients: &Gradients,
    vectors: &Vectors,
    figures: &Value,
    [prefix, step]: [&str; 2],
    [tolerance, norm_tolerance]: [f64; 2],
) {
    let (keys, mut compared) = (vectors.keys(), 0);
    for (key, gradient) in gradients.iter() {
        if key.ends_with("attention.key.bias") {
            continue;
        }
        let parameter = &figures["params"][key];
        let gradient = host(gradient.clone());
        let name = format!("{prefix}.{key}");
        if let Some(official) = parameter[format!("{prefix}_l2")].as_f64() {
            assert_figure(norm(&gradient), official, 0.0, norm_tolerance, &name);
        }
        if keys.contains(&name) {
            assert_near(
                &sliced(&gradient, parameter, step),
                vectors,
                &name,
                tolerance,
            );
            compared += 1;
        }
    }
    let official = keys
        .iter()
        .filter(|key| key.starts_with(&format!("{prefix}.")));
    assert_eq!(compared, official.count());
}

/// Fails unless parameters are the vectors' after a step, in units of the learning rate. After the
/// first one, elements whose gradient is below 10⁻⁴ of the largest are left out: Adam's step is as
/// long for noise.
fn assert_parameters(
    parameters: &Parameters,
    vectors: &Vectors,
    figures: &Value,
    after: &str,
    rate: f64,
    tolerance: f64,
) {
    let (keys, mut compared) = (vectors.keys(), 0);
    for (key, tensor) in parameters.to_host() {
        let name = format!("{after}.{key}");
        if keys.contains(&name) {
            let mut ours = sliced(&tensor.data, &figures["params"][&key], "row_step");
            let official = vectors.floats(&name);
            if after == "after1" {
                let gradient = vectors.floats(&format!("grad.{key}"));
                let largest = gradient.iter().fold(0.0, |most: f32, g| most.max(g.abs()));
                for ((ours, official), gradient) in ours.iter_mut().zip(&official).zip(gradient) {
                    if gradient.abs() < 1e-4 * largest {
                        *ours = *official;
                    }
                }
            }
            assert_steps(&ours, &official, rate, tolerance, &name);
            compared += 1;
        }
    }
    assert!(compared > 6, "{compared} parameters");
}

fn flow_training(device: &Device) -> Option<FlowCompletionTraining> {
    Some(FlowCompletionTraining {
        parameters: parameters(Network::FlowCompletion, device)?,
        optimizer: optimizer(MultiStep::flow_completion()),
        device: device.clone(),
    })
}

fn flow_batch(vectors: &Vectors, device: &Device) -> FlowBatch {
    FlowBatch {
        frames: frames(vectors, device),
        masks: vectors.tensor("masks", device),
        flows: ["flows_f", "flows_b"].map(|key| vectors.tensor(key, device)),
    }
}

/// Clip `index` of a batch.
fn flow_clip(batch: &FlowBatch, index: usize) -> FlowBatch {
    let clip = |video: &Tensor<5>| video.clone().narrow(0, index, 1);
    FlowBatch {
        frames: clip(&batch.frames),
        masks: clip(&batch.masks),
        flows: [clip(&batch.flows[0]), clip(&batch.flows[1])],
    }
}

#[test]
fn three_steps_of_flow_completion_are_the_official_ones() {
    let name = "flow_completion_step";
    let (Some(vectors), Some(figures)) = (vectors(name), figures(name)) else {
        return;
    };
    let device = device();
    let Some(mut training) = flow_training(&device) else {
        return;
    };
    let batch = flow_batch(&vectors, &device);
    let clips = [flow_clip(&batch, 0), flow_clip(&batch, 1)];
    let (gradients, values) = training.gradients(&clips).expect("gradients");
    let mean = figures["losses"]["accumulated"]["mean"].as_f64();
    let mean = mean.expect("a loss");
    assert_figure(f64::from(values.total), mean, 0.0, 1e-5, "accumulated");
    let kind = ["accumulated_grad", "accumulated_row_step"];
    assert_gradients(&gradients, &vectors, &figures, kind, [2e-4, 2e-4]);

    let (gradients, _) = training
        .gradients(std::slice::from_ref(&batch))
        .expect("gradients");
    assert_gradients(
        &gradients,
        &vectors,
        &figures,
        ["grad", "row_step"],
        [2e-4, 2e-4],
    );
    for (step, tolerance) in [(1, 1e-5), (2, 1e-4), (3, 1e-4)] {
        let (outcome, values) = training.step(std::slice::from_ref(&batch)).expect("a step");
        assert_eq!(outcome, Outcome::Changed { still: 0 });
        let official = &figures["losses"][format!("step{step}")];
        let totals = [
            (values.flow, "flow_loss"),
            (values.census, "warp_loss"),
            (values.edge, "edge_loss"),
            (values.total, "total"),
        ];
        for (value, name) in totals {
            let official = official[name].as_f64().expect("a loss");
            assert_figure(f64::from(value), official, 0.0, tolerance, name);
        }
        let after = [(1, 0.01), (3, 0.1)]
            .into_iter()
            .find(|(after, _)| *after == step);
        if let Some((_, tolerance)) = after {
            let after = format!("after{step}");
            let ours = &training.parameters;
            assert_parameters(ours, &vectors, &figures, &after, 5e-5, tolerance);
        }
    }
}

fn clip(vectors: &Vectors, key: &str, index: usize, device: &Device) -> Tensor<4> {
    let all: Tensor<5> = vectors.tensor(key, device);
    all.narrow(0, index, 1).squeeze_dim(0)
}

fn generator_batch(inputs: &Vectors, index: usize, device: &Device) -> GeneratorBatch {
    // The frozen networks' tensors are not recorded.
    let frozen = device.clone().without_autodiff();
    let get = |key: &str| clip(inputs, key, index, &frozen);
    GeneratorBatch {
        clips: vec![GeneratorClip {
            updated: get("updated_frames"),
            masks: get("masks"),
            updated_masks: get("updated_masks"),
            flows: [get("completed_f"), get("completed_b")],
        }],
        truth: frames(inputs, device).narrow(0, index, 1),
        masks: inputs.tensor::<5>("masks", device).narrow(0, index, 1),
    }
}

fn generator_training(device: &Device) -> Option<GeneratorTraining> {
    Some(GeneratorTraining {
        parameters: parameters(Network::Generator, device)?,
        optimizer: optimizer(MultiStep::generator()),
        discriminator: Discriminator::new(vectors::discriminator()?, device),
        discriminator_optimizer: optimizer(MultiStep::generator()),
        device: device.clone(),
    })
}

#[test]
fn accumulated_gradients_of_generator_and_discriminator_are_the_official_ones() {
    let (Some(inputs), Some(vectors), Some(figures), Some(judges), Some(judge_figures)) = (
        vectors("generator_inputs"),
        vectors("generator_step"),
        figures("generator_step"),
        vectors("discriminator_step"),
        self::figures("discriminator_step"),
    ) else {
        return;
    };
    let device = device();
    let Some(mut training) = generator_training(&device) else {
        return;
    };
    let batches = [0, 1].map(|index| generator_batch(&inputs, index, &device));
    let (gradients, values, composed) = training.gradients(&batches).expect("gradients");
    let official = figures["losses"]["accumulated"]["total"].as_f64();
    let official = official.expect("a loss");
    assert_figure(f64::from(values.total), official, 0.0, 1e-5, "accumulated");
    let kind = ["accumulated_grad", "accumulated_row_step"];
    assert_gradients(&gradients, &vectors, &figures, kind, [5e-3, 2e-3]);

    let (gradients, values) = training.discriminator_gradients(composed);
    let official = &judge_figures["losses"]["accumulated"];
    for (value, name) in values.into_iter().zip(["real", "fake", "total"]) {
        let official = official[name].as_f64().expect("a loss");
        assert_figure(f64::from(value), official, 0.01, 1e-5, name);
    }
    assert_gradients(&gradients, &judges, &judge_figures, kind, [5e-5, 5e-5]);
}

#[test]
fn three_steps_of_generator_and_discriminator_are_the_official_ones() {
    let (Some(inputs), Some(vectors), Some(figures), Some(judges), Some(judge_figures)) = (
        vectors("generator_inputs"),
        vectors("generator_step"),
        figures("generator_step"),
        vectors("discriminator_step"),
        self::figures("discriminator_step"),
    ) else {
        return;
    };
    let device = device();
    let Some(mut training) = generator_training(&device) else {
        return;
    };
    let batch = [generator_batch(&inputs, 0, &device)];
    let tolerances = [(1, 1e-5, 1e-5), (2, 2e-4, 1e-4), (3, 3e-3, 1e-3)];
    for (step, tolerance, judge_tolerance) in tolerances {
        let done = training.step(&batch).expect("a step");
        let official = &figures["losses"][format!("step{step}")];
        for (value, name, floor) in [
            (done.losses.hole, "hole", 0.0),
            (done.losses.rest, "valid", 0.0),
            (done.losses.adversarial, "gan_weighted", 0.01),
            (done.losses.total, "total", 0.0),
        ] {
            let official = official[name].as_f64().expect("a loss");
            assert_figure(f64::from(value), official, floor, tolerance, name);
        }
        let official = &judge_figures["losses"][format!("step{step}")];
        for (value, name) in done
            .discriminator_losses
            .into_iter()
            .zip(["real", "fake", "total"])
        {
            let official = official[name].as_f64().expect("a loss");
            assert_figure(f64::from(value), official, 0.01, judge_tolerance, name);
        }
        let after = [(1, 0.2, 0.01, 3e-6), (3, 0.4, 0.4, 1e-3)].into_iter();
        let after = { after }.find(|(after, ..)| *after == step);
        let Some((_, tolerance, judge_tolerance, buffers)) = after else {
            continue;
        };
        let after = format!("after{step}");
        assert_parameters(
            &training.parameters,
            &vectors,
            &figures,
            &after,
            1e-4,
            tolerance,
        );
        let judge = training.discriminator.parameters();
        assert_parameters(
            judge,
            &judges,
            &judge_figures,
            &after,
            1e-4,
            judge_tolerance,
        );
        for (key, buffer) in by_key(training.discriminator.state()) {
            if discriminator::is_buffer(&key) {
                assert_near(&buffer, &judges, &format!("buffer_{after}.{key}"), buffers);
            }
        }
    }
}

#[test]
fn a_resumed_training_is_the_same_bit_for_bit() {
    let Some(vectors) = vectors("flow_completion_step") else {
        return;
    };
    let device = device();
    let Some(mut whole) = flow_training(&device) else {
        return;
    };
    let batch = flow_clip(&flow_batch(&vectors, &device), 0);
    let batch = std::slice::from_ref(&batch);
    whole.step(batch).expect("a step");
    let folder = tempdir().expect("a folder");
    let saved = whole.save(0, 1, BTreeMap::new());
    checkpoint::write(folder.path(), Network::FlowCompletion, &saved).expect("a written step");
    whole.step(batch).expect("a step");

    let saved = checkpoint::read_latest(folder.path(), Network::FlowCompletion);
    let saved = saved.expect("no error").expect("a step");
    let (settings, scale) = (AdamSettings::default(), LossScale::off());
    let resumed = FlowCompletionTraining::resume(saved, settings, scale, &device);
    let mut resumed = resumed.expect("the network's tensors");
    resumed.step(batch).expect("a step");
    assert!(resumed.save(0, 2, BTreeMap::new()) == whole.save(0, 2, BTreeMap::new()));
}
