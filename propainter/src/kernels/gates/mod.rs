//! The gates of a convolutional GRU, after its convolutions (spec section 2).

mod cpu;
pub mod cube;

use burn::tensor::{Tensor, activation};

/// Computes the update gate z and the reset hidden state r·h.
///
/// - `gates`, `constant`: `[B, 2·C, H, W]`; their sum holds the logits of z, then those of r
/// - `hidden`: the hidden state h, `[B, C, H, W]`
///
/// Returns z and r·h, each `[B, C, H, W]`.
pub fn open(gates: Tensor<4>, constant: Tensor<4>, hidden: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    cpu::open(&gates, &constant, &hidden)
        .or_else(|| cube::open(&gates, &constant, &hidden))
        .unwrap_or_else(|| open_reference(gates, constant, hidden))
}

/// Computes [`open`] in tensor operations.
pub fn open_reference(
    gates: Tensor<4>,
    constant: Tensor<4>,
    hidden: Tensor<4>,
) -> (Tensor<4>, Tensor<4>) {
    let channels = hidden.dims()[1];
    let gates = activation::sigmoid(gates + constant);
    let reset = gates.clone().narrow(1, channels, channels) * hidden;
    (gates.narrow(1, 0, channels), reset)
}

/// Computes the next hidden state, (1 − z)·h + z·tanh(candidate + constant), with h in `hidden`
/// and z in `update`. All tensors are `[B, C, H, W]`.
pub fn close(
    hidden: Tensor<4>,
    update: Tensor<4>,
    candidate: Tensor<4>,
    constant: Tensor<4>,
) -> Tensor<4> {
    cpu::close(&hidden, &update, &candidate, &constant)
        .or_else(|| cube::close(&hidden, &update, &candidate, &constant))
        .unwrap_or_else(|| close_reference(hidden, update, candidate, constant))
}

/// Computes [`close`] in tensor operations.
pub fn close_reference(
    hidden: Tensor<4>,
    update: Tensor<4>,
    candidate: Tensor<4>,
    constant: Tensor<4>,
) -> Tensor<4> {
    let candidate = (candidate + constant).tanh();
    (-update.clone() + 1.0) * hidden + update * candidate
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    #[test]
    fn both_forms_agree() {
        let device = Device::flex();
        for [batch, channels, height, width] in [[1, 3, 1, 1], [2, 5, 7, 3], [3, 1, 4, 9]] {
            let random = |channels: usize| {
                let shape = [batch, channels, height, width];
                Tensor::<4>::random(shape, Distribution::Normal(0.0, 3.0), &device)
            };
            let (gates, constant) = (random(2 * channels), random(2 * channels));
            let [hidden, candidate, addend] = [(); 3].map(|()| random(channels));
            let (z, reset) = open(gates.clone(), constant.clone(), hidden.clone());
            let (reference_z, reference_reset) = open_reference(gates, constant, hidden.clone());
            let next = close(hidden.clone(), z.clone(), candidate.clone(), addend.clone());
            let reference = close_reference(hidden, z.clone(), candidate, addend);
            for (fast, reference) in [
                (z, reference_z),
                (reset, reference_reset),
                (next, reference),
            ] {
                let difference = (fast - reference).abs().max().into_scalar::<f32>();
                assert!(difference < 2e-6, "{difference:e}");
            }
        }
    }
}
