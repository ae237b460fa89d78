//! The CPU forms against the reference forms, over odd sizes and every instruction set the
//! machine has.

mod attention;
mod bf16;
mod conv2d;
mod deform_conv;
mod linear;
mod precision;
mod resample;

use burn::tensor::{Device, Tensor, TensorData};
use propainter_tests::golden::relative_error;

/// Returns `count` values in [−`most`, `most`), the same for the same seed.
fn numbers(count: usize, seed: u64, most: f32) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(0x5851_F42D_4C95_7F2D)
                .wrapping_add(0x1405_7B7E_F767_814F);
            ((state >> 40) as f32 / (1 << 23) as f32 - 1.0) * most
        })
        .collect()
}

fn tensor<const D: usize>(shape: [usize; D], seed: u64, most: f32) -> Tensor<D> {
    from_slice(&numbers(shape.iter().product(), seed, most), shape)
}

fn from_slice<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
}

/// Fails if the relative error against the reference form is above 1e-5.
fn assert_matches_reference<const D: usize>(fast: Tensor<D>, reference: Tensor<D>, what: &str) {
    let size = reference.clone().abs().max().into_scalar::<f32>();
    let error = relative_error(fast, reference + 1e-30);
    assert!(
        size == 0.0 || error <= 1e-5,
        "{what}: relative error {error:.2e}"
    );
}
