//! Recomputed segments change nothing but the order of sums.

use burn::tensor::Tensor;
use propainter::weights::Network;
use propainter_training::{
    networks::{Computing, GeneratorNet},
    recompute::Segments,
};

use super::{
    all_gradients, device, gradient_distance, parameters,
    steps::{flow_completion, generator_clip, weighted_flows},
    values,
};

/// Each segment alone, and all.
const CHOICES: [Segments; 5] = [
    Segments {
        encoder: true,
        ..Segments::NONE
    },
    Segments {
        propagation: true,
        ..Segments::NONE
    },
    Segments {
        transformer: true,
        ..Segments::NONE
    },
    Segments {
        decoder: true,
        ..Segments::NONE
    },
    Segments::ALL,
];

#[test]
fn flow_completion_is_the_same_with_and_without_recomputation() {
    let Some(recorded) = parameters(Network::FlowCompletion) else {
        return;
    };
    let run = |segments| {
        let computing = Computing {
            segments,
            ..Computing::default()
        };
        let (vectors, out) = flow_completion(&recorded, computing)?;
        let mut gradients = weighted_flows(&vectors, &out).backward();
        let flows = out.flows.map(values);
        Some((flows, all_gradients(&recorded, &mut gradients)))
    };
    let Some((flows, gradients)) = run(Segments::NONE) else {
        return;
    };
    for segments in CHOICES {
        let Some((again, found)) = run(segments) else {
            return;
        };
        assert_eq!(again, flows, "{segments:?}");
        assert_eq!(found.len(), gradients.len(), "{segments:?}");
        let error = gradient_distance(&found, &gradients);
        println!("{segments:?}: {error:.1e}");
        assert!(error < 1e-6, "{segments:?}: {error:.1e}");
    }
}

#[test]
fn the_generator_is_the_same_with_and_without_recomputation() {
    let Some(recorded) = parameters(Network::Generator) else {
        return;
    };
    let Some(clip) = generator_clip() else { return };
    let run = |segments| {
        let computing = Computing {
            segments,
            ..Computing::default()
        };
        let network = GeneratorNet::new(&recorded, &device(), computing);
        let out: Tensor<4> = network.forward(clip.clone()).expect("a clip");
        let mut gradients = (out.clone() * out.clone()).mean().backward();
        (values(out), all_gradients(&recorded, &mut gradients))
    };
    let (images, gradients) = run(Segments::NONE);
    for segments in CHOICES {
        let (again, found) = run(segments);
        assert_eq!(again, images, "{segments:?}");
        assert_eq!(found.len(), gradients.len(), "{segments:?}");
        let error = gradient_distance(&found, &gradients);
        println!("{segments:?}: {error:.1e}");
        assert!(error < 1e-6, "{segments:?}: {error:.1e}");
    }
}

#[test]
fn parameters_that_are_not_trained_get_no_gradient() {
    let Some(tensors) = propainter_tests::golden::generated_tensors(Network::Generator) else {
        return;
    };
    let state = propainter_training::networks::state(Network::Generator, tensors, &device());
    let state = state.expect("generated weights fit the layout");
    let recorded = state.record(|key| key.starts_with("decoder."));
    let Some(clip) = generator_clip() else { return };
    for segments in [Segments::NONE, Segments::ALL] {
        let computing = Computing {
            segments,
            ..Computing::default()
        };
        let network = GeneratorNet::new(&recorded, &device(), computing);
        let out = network.forward(clip.clone()).expect("a clip");
        let mut gradients = out.sum().backward();
        let found = all_gradients(&recorded, &mut gradients);
        assert_eq!(found.len(), 8, "{segments:?}");
    }
}
