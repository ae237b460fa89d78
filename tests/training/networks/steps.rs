//! One step of each network: predictions and the gradients of all parameters.

use burn::tensor::{Device, Tensor};
use propainter::{Cancel, weights::Network};
use propainter_tests::golden::{Vectors, checkpoint};
use propainter_training::{
    networks::{
        Computing, FlowCompletionNet, FlowPrediction, Frozen, FrozenClip, GeneratorClip,
        GeneratorNet,
    },
    parameters::Recorded,
    recompute::Segments,
};

use super::{assert_gradients, device, distance, parameters, values};
use crate::vectors::{figures, frames, vectors};

/// The clip `b` of a tensor `[B, T, C, H, W]` of the vectors, as `[T, C, H, W]`.
fn clip(vectors: &Vectors, key: &str, b: usize, device: &Device) -> Tensor<4> {
    let shape = vectors.shape(key);
    let all: Tensor<5> = vectors.tensor(key, device);
    all.narrow(0, b, 1)
        .reshape([shape[1], shape[2], shape[3], shape[4]])
}

fn assert_near<const D: usize>(out: &Tensor<D>, vectors: &Vectors, key: &str, tolerance: f64) {
    let error = distance(&values(out.clone()), &vectors.floats(key));
    println!("{key}: {error:.2e}");
    assert!(error <= tolerance, "{key}: {error:.2e}");
}

/// The vectors of flow completion's step and its predictions for them.
pub(super) fn flow_completion(
    recorded: &Recorded,
    computing: Computing,
) -> Option<(Vectors, FlowPrediction)> {
    let vectors = vectors("flow_completion_step")?;
    let get = |key: &str| vectors.tensor::<5>(key, &device());
    let network = FlowCompletionNet::new(recorded, &device(), computing);
    let out = network.forward([get("flows_f"), get("flows_b")], get("masks"));
    Some((vectors, out))
}

/// The sum of what is predicted, weighted by the upstream gradients of the vectors.
pub(super) fn weighted_flows(vectors: &Vectors, out: &FlowPrediction) -> Tensor<1> {
    let weighted = |what: &Tensor<5>, name: &str| {
        let upstream = vectors.tensor::<5>(&format!("dtotal_d{name}"), &device());
        (what.clone() * upstream).sum()
    };
    let [forward, backward] = [(0, "f"), (1, "b")].map(|(way, direction)| {
        weighted(&out.flows[way], &format!("flow_{direction}"))
            + weighted(&out.edges[way], &format!("edge_{direction}"))
    });
    forward + backward
}

#[test]
fn flow_completion_predicts_and_learns_as_the_official_one() {
    let Some(recorded) = parameters(Network::FlowCompletion) else {
        return;
    };
    let Some(figures) = figures("flow_completion_step") else {
        return;
    };
    for segments in [Segments::NONE, Segments::ALL] {
        let computing = Computing {
            segments,
            ..Computing::default()
        };
        let Some((vectors, out)) = flow_completion(&recorded, computing) else {
            return;
        };
        for (way, direction) in ["f", "b"].into_iter().enumerate() {
            assert_near(
                &out.flows[way],
                &vectors,
                &format!("pred_flows_{direction}"),
                1e-5,
            );
            assert_near(
                &out.edges[way],
                &vectors,
                &format!("pred_edges_{direction}"),
                1e-5,
            );
        }
        let mut gradients = weighted_flows(&vectors, &out).backward();
        assert_gradients(
            &recorded,
            &mut gradients,
            (&vectors, &figures),
            [2e-4, 2e-4],
        );
    }
}

/// The inputs of the generator for the first clip.
pub(super) fn generator_clip() -> Option<GeneratorClip> {
    let inputs = vectors("generator_inputs")?;
    let get = |key: &str| clip(&inputs, key, 0, &device());
    Some(GeneratorClip {
        updated: get("updated_frames"),
        masks: get("masks"),
        updated_masks: get("updated_masks"),
        flows: [get("completed_f"), get("completed_b")],
    })
}

#[test]
fn the_generator_predicts_and_learns_as_the_official_one() {
    let Some(vectors) = vectors("generator_step") else {
        return;
    };
    let Some(clip) = generator_clip() else { return };
    let Some(figures) = figures("generator_step") else {
        return;
    };
    let Some(recorded) = parameters(Network::Generator) else {
        return;
    };
    for segments in [Segments::NONE, Segments::ALL] {
        let computing = Computing {
            segments,
            ..Computing::default()
        };
        let network = GeneratorNet::new(&recorded, &device(), computing);
        let out = network.forward(clip.clone()).expect("a clip");
        assert_near(&out, &vectors, "pred", 2e-5);
        let upstream = vectors.tensor::<5>("dtotal_dpred", &device());
        let mut gradients = (out * upstream.squeeze_dim::<4>(0)).sum().backward();
        assert_gradients(
            &recorded,
            &mut gradients,
            (&vectors, &figures),
            [5e-3, 2e-3],
        );
    }
}

/// The frozen networks' vectors are those of another test: here the frozen part is given the true flows
/// and generated weights.
#[test]
fn the_frozen_part_makes_the_generators_input() {
    let Some(inputs) = vectors("generator_inputs") else {
        return;
    };
    let (Some(raft), Some(completion)) = (
        checkpoint(Network::Raft),
        checkpoint(Network::FlowCompletion),
    ) else {
        return;
    };
    let frozen = Frozen::new(&raft, Some(&completion), &device());
    let frames = frames(&inputs, &device());
    let [_, count, _, height, width] = frames.dims();
    let frames: Tensor<4> = frames.narrow(0, 0, 1).reshape([count, 3, height, width]);
    let get = |key: &str| clip(&inputs, key, 0, &device());
    let made = frozen.generator_input(
        FrozenClip {
            frames: frames.clone(),
            masks: get("masks"),
            flows: [get("flows_f"), get("flows_b")],
        },
        &Cancel::default(),
    );
    let made = made.expect("nobody cancels");
    for (way, key) in ["completed_f", "completed_b"].into_iter().enumerate() {
        let error = distance(&values(made.flows[way].clone()), &values(get(key)));
        println!("{key}: {error:.2e}");
        assert!(error <= 1e-5, "{key}: {error:.2e}");
    }
    for (out, key) in [
        (made.updated, "updated_frames"),
        (made.updated_masks, "updated_masks"),
    ] {
        // Of a pixel at a threshold, float noise decides.
        let (out, expected) = (values(out), values(get(key)));
        let other = out
            .iter()
            .zip(&expected)
            .filter(|(a, b)| (*a - *b).abs() > 1e-3)
            .count();
        println!("{key}: {other} of {} differ", out.len());
        assert!(other * 1000 <= out.len(), "{key}: {other} differ");
    }
    // Frames under 128 pixels are extended: only that flows are made is told here.
    let [forward, backward] = frozen.flows(&frames.narrow(0, 0, 2));
    assert_eq!(
        [forward.dims(), backward.dims()],
        [[1, 2, height, width]; 2]
    );
}
