//! The losses and the edges of true flows, apart from the networks.

use burn::tensor::Tensor;
use propainter_tests::golden::Vectors;
use propainter_training::{
    edges,
    loss::{self, FlowDirection, FlowLoss},
};

use crate::vectors::{assert_figure, assert_near, device, figures, frames, host, vectors};

/// Pixels that may differ in edges: decisions that rounding takes.
const EDGE_PIXELS: usize = 2;

fn direction(vectors: &Vectors, letter: char, record: bool) -> FlowDirection {
    let device = device();
    let get = |name: &str| vectors.tensor::<5>(&format!("{name}_{letter}"), &device);
    let pairs = |video: Tensor<5>, later: usize| {
        let pairs = video.dims()[1] - 1;
        video.narrow(1, later, pairs)
    };
    let (here, there) = if letter == 'f' { (0, 1) } else { (1, 0) };
    let frames = frames(vectors, &device);
    FlowDirection {
        predicted: get("pred_flows").set_require_grad(record),
        predicted_edges: get("pred_edges").set_require_grad(record),
        truth: get("flows"),
        edges: get("edges"),
        holes: pairs(vectors.tensor("masks", &device), here),
        current: pairs(frames.clone(), here),
        other: pairs(frames, there),
    }
}

#[test]
fn every_term_of_the_flow_losses_and_their_gradients_are_the_official_ones() {
    let (Some(vectors), Some(figures)) = (
        vectors("flow_completion_step"),
        figures("flow_completion_step"),
    ) else {
        return;
    };
    let [forward, backward] = ['f', 'b'].map(|letter| direction(&vectors, letter, true));
    let leaves = [&forward, &backward].map(|direction| {
        [
            direction.predicted.clone(),
            direction.predicted_edges.clone(),
        ]
    });
    let loss = FlowLoss::new(forward, backward);
    let official = &figures["losses"]["step1"];
    let near = |value: f32, name: &str| {
        let official = official[name].as_f64().expect("a loss");
        assert_figure(f64::from(value), official, 0.0, 1e-5, name);
    };
    let values = loss.values();
    let names = [
        "l1_hole",
        "l1_valid",
        "smooth1",
        "smooth2",
        "ternary",
        "edge_all",
        "edge_comb",
    ];
    for (terms, letter) in values.terms.iter().zip(["f", "b"]) {
        for (value, name) in terms.iter().zip(names) {
            near(*value, &format!("{name}_{letter}"));
        }
    }
    near(values.flow, "flow_loss");
    near(values.census, "warp_loss");
    near(values.edge, "edge_loss");
    near(values.total, "total");

    let mut tape = loss.total().backward();
    for ([flow, edge], letter) in leaves.into_iter().zip(["f", "b"]) {
        for (leaf, name, tolerance) in [(flow, "dtotal_dflow", 1e-3), (edge, "dtotal_dedge", 1e-5)]
        {
            let gradient = host(leaf.grad_remove(&mut tape).expect("a gradient"));
            assert_near(&gradient, &vectors, &format!("{name}_{letter}"), tolerance);
        }
    }
}

#[test]
fn the_gradient_of_the_census_loss_is_the_official_one() {
    let Some(vectors) = vectors("flow_completion_step") else {
        return;
    };
    let direction = direction(&vectors, 'f', true);
    let leaf = direction.predicted.clone();
    let mut tape = loss::FlowTerms::new(direction).census.backward();
    let gradient = host(leaf.grad_remove(&mut tape).expect("a gradient"));
    assert_near(&gradient, &vectors, "dternary_dflow_f", 1e-3);
}

#[test]
fn edges_of_the_true_flows_are_the_official_ones() {
    let Some(vectors) = vectors("flow_completion_step") else {
        return;
    };
    for letter in ["f", "b"] {
        let flows = vectors.tensor::<5>(&format!("flows_{letter}"), &device());
        let ours = host(edges::edges(flows));
        let official = vectors.floats(&format!("edges_{letter}"));
        let differ = ours.iter().zip(&official).filter(|(a, b)| a != b).count();
        let found = official.iter().filter(|&&edge| edge == 1.0).count();
        println!("{differ} of {found} pixels of edges differ");
        assert!(ours.len() == official.len() && differ <= EDGE_PIXELS && found > 100);
    }
    let [_, _, _, height, width] = vectors.shape("flows_f")[..] else {
        panic!("flows of five dimensions");
    };
    let pictures = edges::magnitudes(&vectors.floats("flows_f"), width * height);
    let gradients = pictures
        .chunks_exact(width * height)
        .flat_map(|picture| edges::gradient(picture, width, height).0);
    let gradients: Vec<f32> = gradients.collect();
    assert_near(&gradients, &vectors, "canny_gradient_f", 1e-5);
}

#[test]
fn slow_flows_have_no_edges() {
    let flows = |length: f32| {
        let step = Tensor::<5>::zeros([1, 1, 1, 16, 8], &device());
        let moving = Tensor::full([1, 1, 1, 16, 8], length, &device());
        let u = Tensor::cat(vec![step.clone(), moving], 4);
        Tensor::cat(vec![u, Tensor::zeros([1, 1, 1, 16, 16], &device())], 2)
    };
    let count = |length: f32| host(edges::edges(flows(length))).iter().sum::<f32>();
    assert_eq!(count(0.99), 0.0);
    assert!(count(1.0) >= 14.0, "an edge from top to bottom");
}
