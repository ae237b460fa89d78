//! Layer norm: each row is normalised to mean 0 and variance 1, then scaled and shifted (spec
//! section 6).

#[cfg(feature = "training")]
mod backward;
pub mod cube;

use burn::tensor::{Tensor, module};

use super::upcast::in_f32;

/// Added to the variance.
pub const EPSILON: f32 = 1e-5;

/// Normalises the last axis and appends rows of zeros.
///
/// - `x`: `[rows, C]`
/// - `gain`, `shift`: `[C]`, in 32 bits
/// - `spare`: the number of rows to append
///
/// Returns `[rows + spare, C]`.
pub fn layer_norm(x: Tensor<2>, gain: &Tensor<1>, shift: &Tensor<1>, spare: usize) -> Tensor<2> {
    #[cfg(feature = "training")]
    if spare == 0 && x.is_autodiff() {
        return backward::layer_norm(&x, gain, shift);
    }
    cube::layer_norm(&x, gain, shift, spare)
        .unwrap_or_else(|| layer_norm_reference(x, gain, shift, spare))
}

/// Computes [`layer_norm`] with the tensor library's operation, in 32 bits.
pub fn layer_norm_reference(
    x: Tensor<2>,
    gain: &Tensor<1>,
    shift: &Tensor<1>,
    spare: usize,
) -> Tensor<2> {
    let (device, dtype, [_, channels]) = (x.device(), x.dtype(), x.dims());
    let normed = in_f32(x, |x| {
        module::layer_norm(x, gain.clone(), Some(shift.clone()), f64::from(EPSILON))
    });
    if spare == 0 {
        return normed;
    }
    let zeros = Tensor::zeros([spare, channels], (&device, dtype));
    Tensor::cat(vec![normed, zeros], 0)
}
