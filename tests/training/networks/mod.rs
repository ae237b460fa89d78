//! The networks that record gradients, against the vectors of the official training.

mod convolution;
mod initial;
mod operations;
mod precision;
mod recompute;
mod steps;

use burn::tensor::{Device, Gradients, Tensor};
use propainter::weights::Network;
use propainter_tests::golden::{Vectors, generated_tensors};
use propainter_training::{networks::state, parameters::Recorded};
use serde_json::Value;

/// The device of these tests: the CPU, below the recording.
fn device() -> Device {
    Device::flex()
}

/// The parameters of a network by the weights rule; `None` where the vectors are absent.
fn parameters(network: Network) -> Option<Recorded> {
    let tensors = generated_tensors(network)?;
    let parameters = state(network, tensors, &device()).expect("generated weights fit the layout");
    Some(parameters.record(|_| true))
}

/// A tensor of the vectors that requires gradients.
fn leaf<const D: usize>(vectors: &Vectors, key: &str) -> Tensor<D> {
    vectors.tensor(key, &device()).autodiff().require_grad()
}

/// The gradients of what has the gradient `upstream` at `output`.
fn backward<const D: usize>(output: Tensor<D>, upstream: Tensor<D>) -> Gradients {
    (output * upstream).sum().backward()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("f32 tensor")
}

/// ‖a − b‖ / ‖b‖.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let square = |x: f64| x * x;
    let pairs = a.iter().zip(b);
    let difference: f64 = pairs
        .map(|(a, b)| square(f64::from(*a) - f64::from(*b)))
        .sum();
    let norm: f64 = b.iter().map(|&b| square(f64::from(b))).sum();
    (difference / norm).sqrt()
}

/// The gradients of all parameters but the key biases of the attention, whose true gradient is 0: from
/// the first key to the last.
fn all_gradients(recorded: &Recorded, gradients: &mut Gradients) -> Vec<(String, Vec<f32>)> {
    let gradients = recorded.gradients(gradients);
    let known = gradients
        .iter()
        .filter(|(key, _)| !key.ends_with("attention.key.bias"));
    known
        .map(|(key, gradient)| (key.to_owned(), values(gradient.clone())))
        .collect()
}

/// The distance of all gradients together.
fn gradient_distance(a: &[(String, Vec<f32>)], b: &[(String, Vec<f32>)]) -> f64 {
    let joined = |all: &[(String, Vec<f32>)]| -> Vec<f32> {
        all.iter()
            .flat_map(|(_, gradient)| gradient)
            .copied()
            .collect()
    };
    distance(&joined(a), &joined(b))
}

/// Holds the gradients of all parameters to the vectors' and their L2 norms to the figures'.
fn assert_gradients(
    recorded: &Recorded,
    gradients: &mut Gradients,
    (vectors, figures): (&Vectors, &Value),
    [tolerance, norm_tolerance]: [f64; 2],
) {
    let gradients = recorded.gradients(gradients);
    let (mut worst, mut worst_norm) = (("", 0.0), ("", 0.0));
    let all = figures["params"].as_object().expect("an object");
    for (key, figures) in all
        .iter()
        .filter(|(key, _)| !key.ends_with("attention.key.bias"))
    {
        let gradient = gradients
            .get(key)
            .unwrap_or_else(|| panic!("no gradient of {key}"));
        let gradient = values(gradient.clone());
        let norm = gradient
            .iter()
            .map(|&g| f64::from(g).powi(2))
            .sum::<f64>()
            .sqrt();
        let expected = figures["grad_l2"].as_f64().expect("a number");
        let error = (norm - expected).abs() / expected;
        if error > worst_norm.1 {
            worst_norm = (key, error);
        }
        let Some(step) = figures["row_step"].as_u64() else {
            continue;
        };
        let rows = figures["shape"][0].as_u64().expect("a side") as usize;
        let row = gradient.len() / rows;
        let kept = gradient.chunks_exact(row).step_by(step as usize);
        let kept: Vec<_> = kept.flatten().copied().collect();
        let error = distance(&kept, &vectors.floats(&format!("grad.{key}")));
        if error > worst.1 {
            worst = (key, error);
        }
        if error > tolerance {
            println!("{key}: {error:.2e} from the vectors, norm {norm:.3e} for {expected:.3e}");
        }
    }
    println!(
        "worst gradient: {:.2e} {}; worst norm: {:.2e} {}",
        worst.1, worst.0, worst_norm.1, worst_norm.0
    );
    assert!(worst.1 <= tolerance, "{worst:?}");
    assert!(worst_norm.1 <= norm_tolerance, "{worst_norm:?}");
}
