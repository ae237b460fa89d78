//! The self-test of a device: what it computes against what is expected, without weights or files.
//! `propainter check` and the tests run it.
//!
//! - [`KERNELS`]: every operation in its fast form on the device against its reference form on the
//!   CPU
//! - [`NetworkTest`]: a whole network on the device against the CPU in 32 bits
//! - [`launches`]: the kernels that a stretch of work launches, and the same work with nothing
//!   computed
//! - [`plans()`]: a memory plan of each kind, with the bytes that the model predicts
//! - [`layers`]: the time of single layers
//!
//! A new kernel is a function and its line in [`KERNELS`].

mod kernels;
pub mod launches;
pub mod layers;
mod networks;
mod plans;

pub use burn::tensor::Device;
use burn::tensor::{DType as TensorDType, Tensor, TensorData};

use crate::{DType, kernels::device::is_cpu};
pub use kernels::KERNELS;
pub use networks::NetworkTest;
pub use plans::{PlanTest, plans};

/// One operation that is compared with its reference form.
pub struct KernelTest {
    /// The name, unique in the list.
    pub name: &'static str,
    /// The data types that the networks use the operation in on a GPU.
    dtypes: &'static [DType],
    /// Runs the operation on the bench's device and returns its results beside the expected ones.
    run: fn(&Bench) -> Vec<Pair>,
    /// The share of elements that may differ by more than the tolerance: where two neighbours are
    /// equally near, either may be taken.
    ties: f64,
}

impl KernelTest {
    /// Returns the data types to test on `device`. The CPU computes in 32 bits.
    pub fn dtypes(&self, device: &Device) -> &'static [DType] {
        match is_cpu(device) {
            true => &[DType::F32],
            false => self.dtypes,
        }
    }

    /// Returns the largest difference, relative to the largest expected element; infinite if a
    /// result is no number, or has another shape.
    ///
    /// # Panics
    /// Panics if the device fails.
    pub fn error(&self, device: &Device, dtype: DType) -> f64 {
        let bench = Bench {
            device: device.clone(),
            numbers: dtype,
            dtype: dtype.tensor_dtype(),
        };
        let pairs = (self.run)(&bench);
        let errors = pairs.iter().map(|pair| pair.error(self.ties));
        errors.fold(0.0, f64::max)
    }

    /// Returns the largest error that is right. Values of 16 bits are rounded once on the way in and
    /// once on the way out: two parts in 2¹¹, and in 2⁸.
    pub fn tolerance(dtype: DType) -> f64 {
        match dtype {
            DType::F32 => 1e-5,
            // The products of both are rounded to 11 bits.
            DType::Tf32 | DType::F16 => 2e-3,
            DType::Bf16 => 1.6e-2,
        }
    }
}

/// The device under test, and the data type to test.
struct Bench {
    device: Device,
    numbers: DType,
    /// The same as the tensor library names it: TF32 is stored as 32 bits.
    dtype: TensorDType,
}

impl Bench {
    /// Returns values in [−1, 1) without repetition, times `scale`: in this data type on the device,
    /// and the same values in 32 bits on the CPU.
    fn both<const D: usize>(
        &self,
        shape: [usize; D],
        seed: usize,
        scale: f32,
    ) -> (Tensor<D>, Tensor<D>) {
        self.rounded(values(shape, seed) * scale)
    }

    /// Returns a tensor of the CPU in this data type on the device, and the same values in 32 bits
    /// on the CPU.
    fn rounded<const D: usize>(&self, x: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
        let stored = x.cast(self.dtype);
        let there = Tensor::from_data(stored.clone().into_data(), (&self.device, self.dtype));
        (there, stored.cast(TensorDType::F32))
    }

    /// Returns values as [`Self::both`] does, in 32 bits on both.
    fn both_full<const D: usize>(
        &self,
        shape: [usize; D],
        seed: usize,
        scale: f32,
    ) -> (Tensor<D>, Tensor<D>) {
        let here = values(shape, seed) * scale;
        let there = Tensor::from_data(here.clone().into_data(), (&self.device, TensorDType::F32));
        (there, here)
    }
}

/// Returns values in [−1, 1) without repetition, on the CPU.
fn values<const D: usize>(shape: [usize; D], seed: usize) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let value = |i: usize| {
        let mixed = (i + 1 + seed * 7919).wrapping_mul(2_654_435_761);
        (mixed >> 8) as u16 as f32 / 32768.0 - 1.0
    };
    let data: Vec<f32> = (0..count).map(value).collect();
    Tensor::from_data(TensorData::new(data, shape), &Device::flex())
}

/// A result of the device, and the expected one.
struct Pair {
    out: Vec<f32>,
    expected: Vec<f32>,
}

impl Pair {
    fn new<const D: usize>(out: Tensor<D>, expected: Tensor<D>) -> Self {
        Self {
            out: floats(out),
            expected: floats(expected),
        }
    }

    fn error(&self, ties: f64) -> f64 {
        if self.out.len() != self.expected.len() || self.out.iter().any(|v| v.is_nan()) {
            return f64::INFINITY;
        }
        let largest = self
            .expected
            .iter()
            .fold(1e-3f32, |most, v| most.max(v.abs()));
        let pairs = self.out.iter().zip(&self.expected);
        let mut errors: Vec<f32> = pairs.map(|(a, b)| (a - b).abs() / largest).collect();
        errors.sort_by(f32::total_cmp);
        let left_out = (errors.len() as f64 * ties) as usize;
        let last = errors.len().checked_sub(1 + left_out);
        last.map_or(0.0, |last| f64::from(errors[last]))
    }
}

/// Reads a tensor to the host, as 32 bits.
fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    let data = x.into_data().convert::<f32>();
    data.try_into_vec().expect("floats, as converted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_the_largest_difference_without_the_ties() {
        let pair = |out: &[f32]| Pair {
            out: out.to_vec(),
            expected: vec![2.0; 4],
        };
        assert_eq!(pair(&[2.0; 4]).error(0.0), 0.0);
        assert_eq!(pair(&[2.0, 2.0, 3.0, 2.0]).error(0.0), 0.5);
        assert_eq!(pair(&[2.0, 2.0, 3.0, 2.0]).error(0.25), 0.0);
        assert_eq!(pair(&[2.0, f32::NAN, 2.0, 2.0]).error(0.5), f64::INFINITY);
        assert_eq!(pair(&[2.0; 3]).error(0.5), f64::INFINITY);
    }
}
