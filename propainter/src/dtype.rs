//! The data types that weights and features are stored in.

use half::{bf16, f16};

/// The floating-point type that a network's weights and features are stored in. Sums are
/// accumulated in 32 bits whatever the type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DType {
    /// IEEE 754 single precision.
    #[default]
    F32,
    /// Single precision in memory. GPUs that can round the factors of products to TF32, with 10 bits of
    /// mantissa, for their tensor cores; all else is as in [`Self::F32`].
    Tf32,
    /// IEEE 754 half precision.
    F16,
    /// bfloat16: the range of single precision with 8 bits of precision.
    Bf16,
}

impl DType {
    /// Returns the size of one element in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::Tf32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Returns the largest finite value.
    pub fn max(self) -> f32 {
        match self {
            Self::F32 | Self::Tf32 => f32::MAX,
            Self::F16 => f16::MAX.to_f32(),
            Self::Bf16 => bf16::MAX.to_f32(),
        }
    }

    /// Rounds `value` to the nearest value that the type stores, ties to even.
    pub fn round(self, value: f32) -> f32 {
        match self {
            Self::F32 | Self::Tf32 => value,
            Self::F16 => f16::from_f32(value).to_f32(),
            Self::Bf16 => bf16::from_f32(value).to_f32(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_to_the_nearest_and_then_to_the_even_number() {
        let ulp = 2f32.powi(-10);
        assert_eq!(DType::F16.round(1.0 + 0.4 * ulp), 1.0);
        assert_eq!(DType::F16.round(1.0 + 0.5 * ulp), 1.0);
        assert_eq!(DType::F16.round(1.0 + 1.5 * ulp), 1.0 + 2.0 * ulp);
        let ulp = 2f32.powi(-7);
        assert_eq!(DType::Bf16.round(1.0 + 0.6 * ulp), 1.0 + ulp);
        assert_eq!(DType::F32.round(0.1), 0.1);
        assert_eq!(DType::Tf32.round(0.1), 0.1);
        for dtype in [DType::F32, DType::Tf32, DType::F16, DType::Bf16] {
            assert_eq!(dtype.round(dtype.max()), dtype.max());
        }
    }
}
