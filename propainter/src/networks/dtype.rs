//! The tensor types of the numbers that networks are kept in.

use burn::tensor::{DType, Device};

use crate::{Numbers, kernels::host};

impl Numbers {
    /// Returns the type of tensors of these numbers.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }

    /// Returns the type of weights in these numbers on `device`. The CPU's kernels read 32 bits:
    /// there weights are rounded only.
    pub fn on(self, device: &Device) -> DType {
        if host::is_cpu(device) {
            DType::F32
        } else {
            self.dtype()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_takes_the_bytes_of_its_type() {
        for numbers in [Numbers::F32, Numbers::F16, Numbers::Bf16] {
            assert_eq!(numbers.bytes(), numbers.dtype().size());
        }
    }
}
