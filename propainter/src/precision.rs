//! In how many bits flow completion and the generator keep their numbers. Optical flow and
//! image propagation always keep 32.

use std::{fmt, str::FromStr};

use half::{bf16, f16};

use crate::{Error, weights::Checkpoint};

/// The precision as a user names it: `auto`, `fp32`, `fp16` or `bf16`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// fp32 on the CPU; on a card fp16, or bf16 where a weight is too large for fp16.
    #[default]
    Auto,
    Fp32,
    Fp16,
    Bf16,
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "auto" => Ok(Self::Auto),
            "fp32" => Ok(Self::Fp32),
            "fp16" => Ok(Self::Fp16),
            "bf16" => Ok(Self::Bf16),
            _ => Err(setting(format!(
                "'{text}' is none of auto, fp32, fp16, bf16"
            ))),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
        })
    }
}

impl Precision {
    /// The numbers in which the networks of these checkpoints run, on the CPU or a GPU.
    ///
    /// # Errors
    /// A precision that was asked for by name and cannot hold a weight.
    pub fn resolve(self, on_cpu: bool, checkpoints: &[&Checkpoint]) -> Result<Numbers, Error> {
        let fit = |numbers| {
            let mut all = checkpoints.iter();
            all.all(|checkpoint| checkpoint.fits(numbers))
        };
        let numbers = match self {
            Self::Auto if on_cpu => Numbers::F32,
            Self::Auto if fit(Numbers::F16) => Numbers::F16,
            Self::Auto if fit(Numbers::Bf16) => Numbers::Bf16,
            Self::Auto | Self::Fp32 => return Ok(Numbers::F32),
            Self::Fp16 => Numbers::F16,
            Self::Bf16 => Numbers::Bf16,
        };
        if fit(numbers) {
            Ok(numbers)
        } else {
            let most = numbers.most();
            Err(setting(format!(
                "{self} holds no numbers beyond {most:e}, and a weight is larger; use auto"
            )))
        }
    }
}

fn setting(problem: String) -> Error {
    Error::Setting {
        name: "precision",
        problem,
    }
}

/// How the numbers of a network are kept. Sums are taken in 32 bits in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbers {
    #[default]
    F32,
    F16,
    Bf16,
}

impl Numbers {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The largest number.
    pub fn most(self) -> f32 {
        match self {
            Self::F32 => f32::MAX,
            Self::F16 => f16::MAX.to_f32(),
            Self::Bf16 => bf16::MAX.to_f32(),
        }
    }

    /// The nearest of these numbers; of two, the even one.
    pub fn round(self, value: f32) -> f32 {
        match self {
            Self::F32 => value,
            Self::F16 => f16::from_f32(value).to_f32(),
            Self::Bf16 => bf16::from_f32(value).to_f32(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_and_write_the_same() {
        for name in ["auto", "fp32", "fp16", "bf16"] {
            assert_eq!(name.parse::<Precision>().unwrap().to_string(), name);
        }
        for name in ["", "half", "FP16", "fp8"] {
            let error = name.parse::<Precision>().unwrap_err().to_string();
            assert!(
                error.contains("precision: ") && error.contains("bf16"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_card_takes_the_widest_range_that_the_weights_need() {
        let small = Checkpoint::filled(1.0);
        let resolve = |precision: Precision, weight: f32| {
            let large = Checkpoint::filled(weight);
            precision.resolve(false, &[&small, &large])
        };
        let auto = |weight| resolve(Precision::Auto, weight).unwrap();
        assert_eq!(auto(-65504.0), Numbers::F16);
        assert_eq!(auto(1e5), Numbers::Bf16);
        assert_eq!(auto(f32::MAX), Numbers::F32);
        assert_eq!(resolve(Precision::Fp32, 1.0).unwrap(), Numbers::F32);
        let error = resolve(Precision::Fp16, 1e5).unwrap_err().to_string();
        assert!(error.contains("precision: fp16"), "{error}");
    }

    #[test]
    fn the_cpu_keeps_all_bits_unless_told_otherwise() {
        let resolve = |precision: Precision| precision.resolve(true, &[]).unwrap();
        assert_eq!(resolve(Precision::Auto), Numbers::F32);
        assert_eq!(resolve(Precision::Fp32), Numbers::F32);
        assert_eq!(resolve(Precision::Fp16), Numbers::F16);
        assert_eq!(resolve(Precision::Bf16), Numbers::Bf16);
    }

    #[test]
    fn rounding_goes_to_the_nearest_and_then_to_the_even_number() {
        let ulp = 2f32.powi(-10);
        assert_eq!(Numbers::F16.round(1.0 + 0.4 * ulp), 1.0);
        assert_eq!(Numbers::F16.round(1.0 + 0.5 * ulp), 1.0);
        assert_eq!(Numbers::F16.round(1.0 + 1.5 * ulp), 1.0 + 2.0 * ulp);
        let ulp = 2f32.powi(-7);
        assert_eq!(Numbers::Bf16.round(1.0 + 0.6 * ulp), 1.0 + ulp);
        assert_eq!(Numbers::F32.round(0.1), 0.1);
        for numbers in [Numbers::F32, Numbers::F16, Numbers::Bf16] {
            assert_eq!(numbers.round(numbers.most()), numbers.most());
        }
    }
}
