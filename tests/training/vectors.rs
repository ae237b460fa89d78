//! The vectors of the official training, and how they are compared.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use propainter::weights::HostTensor;
use propainter_tests::golden::{self, Vectors};
use serde_json::Value;

/// The CPU, with operations that are recorded.
pub fn device() -> Device {
    Device::flex().autodiff()
}

/// Opens a file of vectors; `None`, and the test is skipped, where it is absent.
pub fn vectors(name: &str) -> Option<Vectors> {
    Vectors::read(&format!("training/{name}.safetensors"))
}

/// Opens a table of figures; `None` as above.
pub fn figures(name: &str) -> Option<Value> {
    let text = golden::read(&format!("training/{name}.json"))?;
    Some(serde_json::from_slice(&text).expect("valid figures"))
}

/// Returns `count` numbers of the weights rule for `name`, between −1 and 1.
pub fn rule(name: &str, count: usize) -> Vec<f64> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let number = |index: usize| {
        let step = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut z = seed.wrapping_add(step);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 40) as f64 / f64::from(1 << 24) * 2.0 - 1.0
    };
    (0..count).map(number).collect()
}

/// Returns a tensor of the rule's numbers.
pub fn rule_tensor<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
    let numbers = rule(name, shape.iter().product());
    let numbers: Vec<f32> = numbers.into_iter().map(|number| number as f32).collect();
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

/// Returns the discriminator's tensors by the rule.
pub fn discriminator() -> Option<Vec<(String, HostTensor)>> {
    let table = figures("discriminator_check")?;
    let table = &table["discriminator"];
    let tensor = |(key, shape): (String, Vec<usize>)| {
        let number = |name: &str| table[&key][name].as_f64().expect("a number");
        let (offset, scale) = (number("offset"), number("scale"));
        let values = rule(&format!("discriminator/{key}"), shape.iter().product());
        let values = values.into_iter().map(|v| offset + scale * v);
        let mut data: Vec<f32> = values.map(|v| v as f32).collect();
        if propainter_training::discriminator::is_buffer(&key) {
            let square = |&v: &f32| f64::from(v) * f64::from(v);
            let length = data.iter().map(square).sum::<f64>().sqrt();
            data.iter_mut()
                .for_each(|v| *v = (f64::from(*v) / length) as f32);
        }
        (key, HostTensor { shape, data })
    };
    Some(
        propainter_training::discriminator::slots()
            .map(tensor)
            .collect(),
    )
}

/// Returns frames of 8 bits `[B, T, H, W, 3]` as the networks take them: `[B, T, 3, H, W]`, from −1
/// to 1.
pub fn frames(vectors: &Vectors, device: &Device) -> Tensor<5> {
    let frames = vectors.tensor::<5>("frames", device);
    frames.permute([0, 1, 4, 2, 3]) / 255.0 * 2.0 - 1.0
}

/// Copies a tensor to the host.
pub fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("a tensor of f32")
}

/// ‖a − b‖ / ‖b‖.
pub fn relative(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let differences = a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b));
    norm(&mut { differences }) / norm(&mut b.iter().map(|&b| f64::from(b)))
}

/// Fails unless `a` is within `tolerance` of the vectors' `key`, and says by how much.
pub fn assert_near(a: &[f32], vectors: &Vectors, key: &str, tolerance: f64) {
    let error = relative(a, &vectors.floats(key));
    println!("{key}: {error:.2e}");
    assert!(error <= tolerance, "{key}: {error:.3e} > {tolerance:.0e}");
}

/// Fails unless two figures agree, relative to the second but to `floor` at least.
pub fn assert_figure(a: f64, b: f64, floor: f64, tolerance: f64, what: &str) {
    let error = (a - b).abs() / b.abs().max(floor);
    println!("{what}: {error:.2e}");
    assert!(error <= tolerance, "{what}: {a} is not {b}, by {error:.2e}");
}

/// Fails unless two tensors agree within `tolerance`, as the root mean square of their difference in
/// units of `unit`.
pub fn assert_steps(a: &[f32], b: &[f32], unit: f64, tolerance: f64, what: &str) {
    assert_eq!(a.len(), b.len());
    let square = |(a, b): (&f32, &f32)| ((f64::from(*a) - f64::from(*b)) / unit).powi(2);
    let mean = a.iter().zip(b).map(square).sum::<f64>() / a.len() as f64;
    println!("{what}: {:.2e} steps", mean.sqrt());
    assert!(
        mean.sqrt() <= tolerance,
        "{what}: {:.3e} steps",
        mean.sqrt()
    );
}

/// Returns every `step`-th slice of the first dimension, as the vectors hold large tensors.
pub fn slices(values: &[f32], first: usize, step: usize) -> Vec<f32> {
    let slice = values.len() / first;
    values
        .chunks_exact(slice)
        .step_by(step)
        .flatten()
        .copied()
        .collect()
}

/// Returns a tensor's slices as the vectors' `key` holds them, by the figures of its parameter.
pub fn sliced(values: &[f32], parameter: &Value, step: &str) -> Vec<f32> {
    let first = parameter["shape"][0].as_u64().expect("a shape") as usize;
    let step = parameter[step].as_u64().expect("a step of rows") as usize;
    slices(values, first, step)
}

/// Returns the L2 norm.
pub fn norm(values: &[f32]) -> f64 {
    let square = |&v: &f32| f64::from(v) * f64::from(v);
    values.iter().map(square).sum::<f64>().sqrt()
}

/// Returns tensors of the host by key.
pub fn by_key(tensors: Vec<(String, HostTensor)>) -> BTreeMap<String, Vec<f32>> {
    let values = tensors.into_iter().map(|(key, tensor)| (key, tensor.data));
    values.collect()
}
