//! The gates of a convolutional GRU, after its convolutions (spec section 2).

use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

use super::host::{self, HostView};

/// Update gate z and the hidden state under the reset gate, r·h.
///
/// - `gates`, `constant`: `[B, 2·C, H, W]`, their sum is z and r before the sigmoid
/// - `hidden`: `[B, C, H, W]`
///
/// Results `[B, C, H, W]`.
pub fn open(gates: Tensor<4>, constant: Tensor<4>, hidden: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    let views = (
        HostView::of(&gates),
        HostView::of(&constant),
        HostView::of(&hidden),
    );
    let (Some(gates_view), Some(constant_view), Some(hidden_view)) = views else {
        return open_plain(gates, constant, hidden);
    };
    let shape @ [_, channels, height, width] = hidden.dims();
    let plane = height * width;
    let hidden = hidden_view.slice();
    let (mut update, mut reset) = (vec![0.0; hidden.len()], vec![0.0; hidden.len()]);
    update
        .par_chunks_mut(plane)
        .zip(reset.par_chunks_mut(plane))
        .zip(hidden.par_chunks(plane))
        .enumerate()
        .for_each(|(index, ((update, reset), hidden))| {
            let (batch, channel) = (index / channels, index % channels);
            let first = (batch * 2 * channels + channel) * plane;
            let gate = |first: usize| {
                let gates = &gates_view.slice()[first..][..plane];
                gates.iter().zip(&constant_view.slice()[first..][..plane])
            };
            for (z, (a, b)) in update.iter_mut().zip(gate(first)) {
                *z = sigmoid(a + b);
            }
            let gate = gate(first + channels * plane).zip(hidden);
            for (reset, ((a, b), h)) in reset.iter_mut().zip(gate) {
                *reset = sigmoid(a + b) * h;
            }
        });
    (host::tensor(update, shape), host::tensor(reset, shape))
}

/// The plain twin of [`open`], in tensor operations.
pub fn open_plain(
    gates: Tensor<4>,
    constant: Tensor<4>,
    hidden: Tensor<4>,
) -> (Tensor<4>, Tensor<4>) {
    let channels = hidden.dims()[1];
    let gates = activation::sigmoid(gates + constant);
    let reset = gates.clone().narrow(1, channels, channels) * hidden;
    (gates.narrow(1, 0, channels), reset)
}

/// The next hidden state, (1 − z)·h + z·tanh(candidate + constant), all `[B, C, H, W]`.
pub fn close(
    hidden: Tensor<4>,
    update: Tensor<4>,
    candidate: Tensor<4>,
    constant: Tensor<4>,
) -> Tensor<4> {
    let views = [&hidden, &update, &candidate, &constant].map(HostView::of);
    let [Some(h), Some(z), Some(q), Some(constant_view)] = &views else {
        return close_plain(hidden, update, candidate, constant);
    };
    let size = hidden.dims().iter().skip(2).product::<usize>().max(1);
    let mut out = vec![0.0; h.slice().len()];
    out.par_chunks_mut(size)
        .zip(h.slice().par_chunks(size).zip(z.slice().par_chunks(size)))
        .zip(
            q.slice()
                .par_chunks(size)
                .zip(constant_view.slice().par_chunks(size)),
        )
        .for_each(|((out, (h, z)), (q, constant))| {
            let inputs = h.iter().zip(z).zip(q.iter().zip(constant));
            for (out, ((h, z), (q, c))) in out.iter_mut().zip(inputs) {
                *out = (1.0 - z) * h + z * tanh(q + c);
            }
        });
    host::tensor(out, hidden.dims())
}

/// The plain twin of [`close`], in tensor operations.
pub fn close_plain(
    hidden: Tensor<4>,
    update: Tensor<4>,
    candidate: Tensor<4>,
    constant: Tensor<4>,
) -> Tensor<4> {
    let candidate = (candidate + constant).tanh();
    (-update.clone() + 1.0) * hidden + update * candidate
}

/// 1 / (1 + e^−x), within 2e-7.
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// tanh x, within 2e-7.
pub fn tanh(x: f32) -> f32 {
    let e = exp(-2.0 * x.abs());
    ((1.0 - e) / (1.0 + e)).copysign(x)
}

/// e^x for |x| up to 87, and its value at ±87 beyond. Without branches or calls, so that a loop
/// over it becomes vector code.
fn exp(x: f32) -> f32 {
    // 2^n·e^r with whole n and |r| ≤ ln 2 / 2. Adding this number rounds to whole n and leaves
    // n in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    // Taylor's series of e^r to r^7.
    let e = [720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0]
        .iter()
        .fold(1.0 / 5040.0, |sum, factorial| sum * r + 1.0 / factorial);
    f32::from_bits(e.to_bits().wrapping_add(shifted.to_bits() << 23))
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
            let (plain_z, plain_reset) = open_plain(gates, constant, hidden.clone());
            let next = close(hidden.clone(), z.clone(), candidate.clone(), addend.clone());
            let plain = close_plain(hidden, z.clone(), candidate, addend);
            for (fast, plain) in [(z, plain_z), (reset, plain_reset), (next, plain)] {
                let difference = (fast - plain).abs().max().into_scalar::<f32>();
                assert!(difference < 2e-6, "{difference:e}");
            }
        }
    }

    #[test]
    fn sigmoid_and_tanh_are_the_functions() {
        for i in -200_000..=200_000 {
            let x = i as f32 * 5e-4;
            let exact = f64::from(x);
            let (s, t) = (1.0 / (1.0 + (-exact).exp()), exact.tanh());
            assert!((f64::from(sigmoid(x)) - s).abs() <= 2e-7, "sigmoid {x}");
            assert!((f64::from(tanh(x)) - t).abs() <= 2e-7, "tanh {x}");
        }
        for x in [f32::MIN, f32::MAX, f32::NEG_INFINITY, f32::INFINITY] {
            assert_eq!(tanh(x), x.signum());
            assert_eq!(sigmoid(x).round(), (x.signum() + 1.0) / 2.0);
        }
        assert!(sigmoid(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
    }
}
