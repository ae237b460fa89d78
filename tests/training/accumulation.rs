//! Gradients of two micro-batches, each normalised by its own holes, through the networks.

use burn::tensor::Tensor;
use propainter::weights::Network;
use propainter_tests::golden::{self, Vectors};
use propainter_training::{
    discriminator::{Discriminator, judge},
    edges::edges,
    loss::{DiscriminatorLoss, FlowDirection, FlowLoss, GeneratorLoss, compose},
    networks::{Computing, FlowCompletionNet, GeneratorClip, GeneratorNet, state},
    optimizer::Accumulation,
    parameters::{Gradients, Parameters},
};
use serde_json::Value;

use crate::vectors::{
    self, assert_figure, assert_near, device, figures, frames, host, norm, sliced, vectors,
};

fn parameters(network: Network) -> Option<Parameters> {
    let tensors = golden::generated_tensors(network)?;
    Some(state(network, tensors, &device()).expect("the network's tensors"))
}

/// Fails unless gradients and their norms are the vectors'; the key bias is noise around 0.
fn assert_gradients(
    gradients: &Gradients,
    (vectors, figures): (&Vectors, &Value),
    [tolerance, norm_tolerance]: [f64; 2],
) {
    let (keys, mut compared) = (vectors.keys(), 0);
    for (key, gradient) in gradients.iter() {
        if key.ends_with("attention.key.bias") {
            continue;
        }
        let parameter = &figures["params"][key];
        let gradient = host(gradient.clone());
        let name = format!("accumulated_grad.{key}");
        let official = parameter["accumulated_grad_l2"].as_f64().expect("a norm");
        assert_figure(norm(&gradient), official, 0.0, norm_tolerance, &name);
        if keys.contains(&name) {
            let gradient = sliced(&gradient, parameter, "accumulated_row_step");
            assert_near(&gradient, vectors, &name, tolerance);
            compared += 1;
        }
    }
    let official = keys
        .iter()
        .filter(|key| key.starts_with("accumulated_grad."));
    assert_eq!(compared, official.count());
}

#[test]
fn accumulated_gradients_of_flow_completion_are_the_official_ones() {
    let name = "flow_completion_step";
    let (Some(vectors), Some(figures), Some(parameters)) = (
        vectors(name),
        figures(name),
        parameters(Network::FlowCompletion),
    ) else {
        return;
    };
    let device = device();
    let frames = frames(&vectors, &device);
    let mut sum = Accumulation::new(2);
    let mut total = 0.0;
    for clip in 0..2 {
        let get = |key: &str| vectors.tensor::<5>(key, &device).narrow(0, clip, 1);
        let [masks, forward, backward] = ["masks", "flows_f", "flows_b"].map(get);
        let weights = parameters.record(|_| true);
        let network = FlowCompletionNet::new(&weights, &device, Computing::default());
        let predicted = network.forward([forward.clone(), backward.clone()], masks.clone());
        let pairs = |video: &Tensor<5>, first: usize| video.clone().narrow(1, first, 3);
        let direction = |way: usize, truth: &Tensor<5>| FlowDirection {
            predicted: predicted.flows[way].clone(),
            predicted_edges: predicted.edges[way].clone(),
            truth: truth.clone(),
            edges: edges(truth.clone()),
            holes: pairs(&masks, way),
            current: pairs(&frames, way).narrow(0, clip, 1),
            other: pairs(&frames, 1 - way).narrow(0, clip, 1),
        };
        let loss = FlowLoss::new(direction(0, &forward), direction(1, &backward));
        total += f64::from(loss.values().total) / 2.0;
        let mut tape = (loss.total() * sum.weight()).backward();
        sum.add(weights.gradients(&mut tape));
    }
    let official = figures["losses"]["accumulated"]["mean"].as_f64();
    assert_figure(total, official.expect("a loss"), 0.0, 1e-5, "total");
    assert_gradients(&sum.finish(), (&vectors, &figures), [2e-4, 2e-4]);
}

fn generator_clip(inputs: &Vectors, index: usize) -> GeneratorClip {
    let device = device().without_autodiff();
    let get = |key: &str| -> Tensor<4> {
        let all: Tensor<5> = inputs.tensor(key, &device);
        all.narrow(0, index, 1).squeeze_dim(0)
    };
    GeneratorClip {
        updated: get("updated_frames"),
        masks: get("masks"),
        updated_masks: get("updated_masks"),
        flows: [get("completed_f"), get("completed_b")],
    }
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
    let (Some(parameters), Some(tensors)) =
        (parameters(Network::Generator), vectors::discriminator())
    else {
        return;
    };
    let device = device();
    let mut discriminator = Discriminator::new(tensors, &device);
    let clip = |video: Tensor<5>, index: usize| video.narrow(0, index, 1);

    // All micro-batches of a pass share its power iteration.
    let pass = discriminator.next_pass();
    let constants = discriminator.parameters().record(|_| false);
    let mut sum = Accumulation::new(2);
    let mut total = 0.0;
    let mut composed = Vec::new();
    for index in 0..2 {
        let truth = clip(frames(&inputs, &device), index);
        let holes = clip(inputs.tensor("masks", &device), index);
        let weights = parameters.record(|_| true);
        let network = GeneratorNet::new(&weights, &device, Computing::default());
        let predicted = network
            .forward(generator_clip(&inputs, index))
            .expect("a clip");
        let predicted = predicted.unsqueeze_dim::<5>(0);
        let video = compose(predicted.clone(), truth.clone(), holes.clone());
        let judged = judge(&constants, &pass, video.clone());
        let loss = GeneratorLoss::new(predicted, truth.clone(), holes, judged);
        total += f64::from(loss.values().total) / 2.0;
        let mut tape = (loss.total() * sum.weight()).backward();
        sum.add(weights.gradients(&mut tape));
        composed.push((truth, video.detach()));
    }
    let official = figures["losses"]["accumulated"]["total"].as_f64();
    assert_figure(total, official.expect("a loss"), 0.0, 1e-5, "total");
    assert_gradients(&sum.finish(), (&vectors, &figures), [5e-3, 2e-3]);

    let of_truth = discriminator.next_pass();
    let of_composed = discriminator.next_pass();
    let mut sum = Accumulation::new(2);
    let mut means = [0.0; 3];
    for (truth, video) in composed {
        let weights = discriminator.parameters().record(|_| true);
        let loss = DiscriminatorLoss::new(
            judge(&weights, &of_truth, truth),
            judge(&weights, &of_composed, video),
        );
        for (mean, value) in means.iter_mut().zip(loss.values()) {
            *mean += f64::from(value) / 2.0;
        }
        let mut tape = (loss.total() * sum.weight()).backward();
        sum.add(weights.gradients(&mut tape));
    }
    let official = &judge_figures["losses"]["accumulated"];
    for (mean, name) in means.into_iter().zip(["real", "fake", "total"]) {
        assert_figure(
            mean,
            official[name].as_f64().expect("a loss"),
            0.01,
            1e-5,
            name,
        );
    }
    assert_gradients(&sum.finish(), (&judges, &judge_figures), [5e-5, 5e-5]);
}
