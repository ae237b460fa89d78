//! What the tests of GPU forms share: devices, values, and comparison.

use burn::tensor::{DType, Device, Tensor, TensorData};
use propainter_tests::golden;

/// Returns values in [−1, 1) without repetition.
pub fn values<const D: usize>(shape: [usize; D], seed: usize) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let value = |i: usize| {
        let mixed = (i + 1 + seed * 7919).wrapping_mul(2_654_435_761);
        (mixed >> 8) as u16 as f32 / 32768.0 - 1.0
    };
    let data: Vec<f32> = (0..count).map(value).collect();
    Tensor::from_data(TensorData::new(data, shape), &Device::flex())
}

/// Returns the device of the tests, CubeCL's own CPU device where no GPU is chosen, with the data types to test and their tolerance. Values of 16
/// bits are rounded once on the way in and once on the way out: two parts in 2¹¹, and in 2⁸.
pub fn devices() -> [(Device, Vec<(DType, f32)>); 1] {
    let chosen = golden::device();
    let device = if chosen == Device::flex() {
        Device::cpu()
    } else {
        chosen
    };
    let kinds = vec![
        (DType::F32, 1e-5),
        (DType::F16, 2e-3),
        (DType::BF16, 1.6e-2),
    ];
    [(device, kinds)]
}

/// Set where kernels are only compiled, and compute nothing that could be compared.
pub const WITHOUT_RESULTS: &str = "PROPAINTER_TEST_WITHOUT_RESULTS";

fn without_results() -> bool {
    std::env::var_os(WITHOUT_RESULTS).is_some()
}

/// Fails if more than the share `few` of the elements differ by more than the bound, relative to the
/// largest element.
pub fn assert_close<const D: usize>(
    out: Tensor<D>,
    expected: &Tensor<D>,
    bound: f32,
    few: f64,
    what: &str,
) {
    let elements = |x: Tensor<D>| -> Vec<f32> {
        let data = x.into_data().convert::<f32>();
        data.try_into_vec().expect("floats")
    };
    assert_eq!(out.dims(), expected.dims(), "{what}");
    let (out, expected) = (elements(out), elements(expected.clone()));
    if without_results() {
        return;
    }
    let most = expected.iter().fold(1e-3f32, |most, v| most.max(v.abs()));
    let far = |(a, b): &(&f32, &f32)| (*a - *b).abs() > bound * most || a.is_nan();
    let apart = out.iter().zip(&expected).filter(far).count();
    let share = apart as f64 / out.len() as f64;
    assert!(share <= few, "{what}: {apart} of {} are apart", out.len());
}

/// Returns a tensor in this data type on a device, and the same values in 32 bits on the CPU.
pub fn both<const D: usize>(x: Tensor<D>, device: &Device, dtype: DType) -> (Tensor<D>, Tensor<D>) {
    let stored = x.cast(dtype);
    let data = stored.clone().into_data();
    (
        Tensor::from_data(data, (device, dtype)),
        stored.cast(DType::F32),
    )
}
