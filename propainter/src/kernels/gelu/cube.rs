//! GELU of one value, for GPU kernels.

use std::f32::consts::FRAC_1_SQRT_2;

use burn_cubecl::cubecl::{self, prelude::*};

/// Computes GELU of one value.
#[cube]
pub fn gelu_value(x: f32) -> f32 {
    0.5 * x * (1.0 + (x * FRAC_1_SQRT_2).erf())
}
