//! The networks that record gradients, against the vectors of the official training.

mod operations;
pub(super) mod steps;

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use propainter::weights::Network;
use propainter_tests::golden::{Vectors, generated_tensors, read};
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

/// The numbers of the weights rule for a name.
fn rule<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (1..=count as u64)
        .map(|i| {
            let mut z = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            ((z >> 40) as f64 / f64::from(1 << 24) * 2.0 - 1.0) as f32
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &device())
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

/// The JSON beside vectors.
fn figures(name: &str) -> Option<Value> {
    let bytes = read(&format!("training/{name}.json"))?;
    Some(serde_json::from_slice(&bytes).expect("valid JSON"))
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
