//! Gradients in 16 bits against those in 32.
//!
//! bf16 rounds to 2⁻⁹ and fp16 to 2⁻¹². A gradient is the result of some fifty layers, forward and
//! backward, whose roundings add up like a random walk: √100 · 2⁻⁹ is 2 %, √100 · 2⁻¹² a quarter of a
//! percent. Kinks and cells that the noise crosses come on top, so the bounds are a few times that.

use propainter::{DType, weights::Network};
use propainter_training::{
    networks::{Computing, GeneratorNet},
    recompute::Segments,
};

use super::{
    all_gradients, device, distance, gradient_distance, parameters,
    steps::{flow_completion, generator_clip, weighted_flows},
    values,
};
use crate::vectors::vectors;

/// The largest distances of outputs and of gradients.
const BOUNDS: [(DType, f64, f64); 2] = [(DType::Bf16, 0.05, 0.15), (DType::F16, 0.01, 0.03)];

#[test]
fn the_generator_learns_nearly_the_same_in_16_bits() {
    let Some(recorded) = parameters(Network::Generator) else {
        return;
    };
    let (Some(clip), Some(vectors)) = (generator_clip(), vectors("generator_step")) else {
        return;
    };
    // As a loss scale does: in fp16 the gradients would be too small otherwise.
    let upstream = vectors
        .tensor::<5>("dtotal_dpred", &device())
        .squeeze_dim::<4>(0)
        * 65536.0;
    let run = |numbers, segments| {
        let network = GeneratorNet::new(&recorded, &device(), Computing { numbers, segments });
        let out = network.forward(clip.clone()).expect("a clip");
        let mut gradients = (out.clone() * upstream.clone()).sum().backward();
        (values(out), all_gradients(&recorded, &mut gradients))
    };
    let (images, gradients) = run(DType::F32, Segments::NONE);
    for (numbers, near, near_gradients) in BOUNDS {
        for segments in [Segments::NONE, Segments::ALL] {
            let (out, found) = run(numbers, segments);
            let errors = [
                distance(&out, &images),
                gradient_distance(&found, &gradients),
            ];
            println!("{numbers:?}, {segments:?}: {errors:?}");
            assert!(
                errors[0] > 0.0 && errors[0] < near,
                "{numbers:?}: {errors:?}"
            );
            assert!(errors[1] < near_gradients, "{numbers:?}: {errors:?}");
        }
    }
}

#[test]
fn flow_completion_learns_nearly_the_same_in_16_bits() {
    let Some(recorded) = parameters(Network::FlowCompletion) else {
        return;
    };
    let run = |numbers| {
        let computing = Computing {
            numbers,
            ..Computing::default()
        };
        let (vectors, out) = flow_completion(&recorded, computing)?;
        let mut gradients = (weighted_flows(&vectors, &out) * 1024.0).backward();
        let flows = out.flows.map(values).concat();
        Some((flows, all_gradients(&recorded, &mut gradients)))
    };
    let Some((flows, gradients)) = run(DType::F32) else {
        return;
    };
    for (numbers, near, near_gradients) in BOUNDS {
        let Some((out, found)) = run(numbers) else {
            return;
        };
        let errors = [
            distance(&out, &flows),
            gradient_distance(&found, &gradients),
        ];
        println!("{numbers:?}: {errors:?}");
        assert!(
            errors[0] > 0.0 && errors[0] < near,
            "{numbers:?}: {errors:?}"
        );
        assert!(errors[1] < near_gradients, "{numbers:?}: {errors:?}");
    }
}
