//! One step of each network: predictions and the gradients of all parameters.

use burn::tensor::{Device, Tensor, TensorData};
use propainter::weights::Network;
use propainter_tests::golden::Vectors;
use propainter_training::networks::{FlowCompletionNet, GeneratorClip, GeneratorNet};

use super::{assert_gradients, device, distance, figures, parameters, values};

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

#[test]
fn flow_completion_predicts_and_learns_as_the_official_one() {
    let Some(vectors) = Vectors::read("training/flow_completion_step.safetensors") else {
        return;
    };
    let Some(figures) = figures("flow_completion_step") else {
        return;
    };
    let Some(recorded) = parameters(Network::FlowCompletion) else {
        return;
    };
    let get = |key: &str| vectors.tensor::<5>(key, &device());
    let masks: Tensor<5> = Tensor::from_data(
        TensorData::new(vectors.floats("masks"), vectors.shape("masks")),
        &device(),
    );
    let network = FlowCompletionNet::new(&recorded, &device().autodiff());
    let out = network.forward([get("flows_f"), get("flows_b")], masks);
    let mut sum = Tensor::<1>::zeros([1], &device());
    for (way, direction) in ["f", "b"].into_iter().enumerate() {
        for (what, name) in [(&out.flows[way], "flow"), (&out.edges[way], "edge")] {
            assert_near(what, &vectors, &format!("pred_{name}s_{direction}"), 1e-5);
            let upstream = get(&format!("dtotal_d{name}_{direction}"));
            sum = sum + (what.clone() * upstream).sum();
        }
    }
    let mut gradients = sum.backward();
    assert_gradients(
        &recorded,
        &mut gradients,
        (&vectors, &figures),
        [2e-4, 2e-4],
    );
}

/// The inputs of the generator for a clip.
pub(crate) fn generator_clip(inputs: &Vectors, b: usize) -> GeneratorClip {
    let get = |key: &str| clip(inputs, key, b, &device());
    GeneratorClip {
        updated: get("updated_frames"),
        masks: get("masks"),
        updated_masks: get("updated_masks"),
        flows: [get("completed_f"), get("completed_b")],
    }
}

#[test]
fn the_generator_predicts_and_learns_as_the_official_one() {
    let Some(vectors) = Vectors::read("training/generator_step.safetensors") else {
        return;
    };
    let Some(inputs) = Vectors::read("training/generator_inputs.safetensors") else {
        return;
    };
    let Some(figures) = figures("generator_step") else {
        return;
    };
    let Some(recorded) = parameters(Network::Generator) else {
        return;
    };
    let network = GeneratorNet::new(&recorded, &device().autodiff());
    let out = network.forward(generator_clip(&inputs, 0)).expect("a clip");
    assert_near(&out, &vectors, "pred", 2e-5);
    let upstream = vectors
        .tensor::<5>("dtotal_dpred", &device())
        .squeeze_dim::<4>(0);
    let mut gradients = (out * upstream).sum().backward();
    assert_gradients(
        &recorded,
        &mut gradients,
        (&vectors, &figures),
        [5e-3, 2e-3],
    );
}
