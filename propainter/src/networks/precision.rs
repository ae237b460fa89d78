//! The data type that the networks run in: the precision that was asked for, on a device, for
//! weights of a known range.

use burn::tensor::Device;

use crate::{DType, Error, Precision, kernels::device::is_cpu, weights::Checkpoint};

impl Precision {
    /// Returns the data type in which the networks of these checkpoints run on `device`.
    ///
    /// # Errors
    /// [`Error::Setting`] if a precision was asked for by name and cannot represent a weight.
    pub fn resolve(self, device: &Device, checkpoints: &[&Checkpoint]) -> Result<DType, Error> {
        let fit = |dtype| {
            let mut all = checkpoints.iter();
            all.all(|checkpoint| checkpoint.fits(dtype))
        };
        let dtype = match self {
            Self::Auto if is_cpu(device) => DType::F32,
            Self::Auto if fit(DType::F16) => DType::F16,
            Self::Auto if fit(DType::Bf16) => DType::Bf16,
            Self::Auto | Self::Fp32 => return Ok(DType::F32),
            Self::Tf32 => return Ok(DType::Tf32),
            Self::Fp16 => DType::F16,
            Self::Bf16 => DType::Bf16,
        };
        if fit(dtype) {
            Ok(dtype)
        } else {
            let max = dtype.max();
            let problem = format!(
                "{self} represents no value beyond {max:e}, and a weight is larger; use auto"
            );
            Err(Error::Setting {
                name: "precision",
                problem,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_takes_the_widest_range_that_the_weights_need() {
        let small = Checkpoint::filled(1.0);
        let resolve = |precision: Precision, weight: f32| {
            let large = Checkpoint::filled(weight);
            // Any device other than the one that our CPU kernels run on.
            precision.resolve(&Device::cpu(), &[&small, &large])
        };
        let auto = |weight| resolve(Precision::Auto, weight).unwrap();
        assert_eq!(auto(-65504.0), DType::F16);
        assert_eq!(auto(1e5), DType::Bf16);
        assert_eq!(auto(f32::MAX), DType::F32);
        assert_eq!(resolve(Precision::Fp32, 1.0).unwrap(), DType::F32);
        assert_eq!(resolve(Precision::Tf32, f32::MAX).unwrap(), DType::Tf32);
        let error = resolve(Precision::Fp16, 1e5).unwrap_err().to_string();
        assert!(error.contains("precision: fp16"), "{error}");
    }

    #[test]
    fn the_cpu_keeps_all_bits_unless_told_otherwise() {
        let resolve = |precision: Precision| precision.resolve(&Device::flex(), &[]).unwrap();
        assert_eq!(resolve(Precision::Auto), DType::F32);
        assert_eq!(resolve(Precision::Fp32), DType::F32);
        assert_eq!(resolve(Precision::Fp16), DType::F16);
        assert_eq!(resolve(Precision::Bf16), DType::Bf16);
    }
}
