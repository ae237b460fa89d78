//! The precision that a user asks for.
//!
//! It applies to flow completion and the generator. Optical flow and image propagation always
//! store 32 bits.

use std::{fmt, str::FromStr};

use crate::Error;

/// The precision as a user names it: `auto`, `fp32`, `tf32`, `fp16` or `bf16`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// fp32 on the CPU; on a GPU fp16, or bf16 if a weight is too large for fp16.
    #[default]
    Auto,
    /// Single precision.
    Fp32,
    /// Single precision; on a GPU with tensor cores for it, products round their factors to TF32, those
    /// of optical flow included.
    Tf32,
    /// Half precision.
    Fp16,
    /// bfloat16.
    Bf16,
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "auto" => Ok(Self::Auto),
            "fp32" => Ok(Self::Fp32),
            "tf32" => Ok(Self::Tf32),
            "fp16" => Ok(Self::Fp16),
            "bf16" => Ok(Self::Bf16),
            _ => Err(Error::Setting {
                name: "precision",
                problem: format!("'{text}' is none of auto, fp32, tf32, fp16, bf16"),
            }),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Fp32 => "fp32",
            Self::Tf32 => "tf32",
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_and_write_the_same() {
        for name in ["auto", "fp32", "tf32", "fp16", "bf16"] {
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
}
