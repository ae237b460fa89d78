//! The gates of a convolutional GRU, after its convolutions (spec section 2).

use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

use super::{
    host::HostView,
    isa::{Isa, Job},
    math::{sigmoid, tanh},
};

/// Update gate z and the hidden state under the reset gate, r·h.
///
/// - `gates`, `constant`: `[B, 2·C, H, W]`; their sum is z, then r, before the sigmoid
/// - `hidden`: `[B, C, H, W]`
///
/// Results `[B, C, H, W]`.
pub fn open(gates: Tensor<4>, constant: Tensor<4>, hidden: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    let views = [&gates, &constant, &hidden].map(HostView::of);
    let [Some(sums), Some(addends), Some(h)] = &views else {
        return open_plain(gates, constant, hidden);
    };
    let shape @ [_, channels, height, width] = hidden.dims();
    let plane = (height * width).max(1);
    let isa = Isa::best();
    let mut update = vec![0.0; h.slice().len()];
    let mut reset = update.clone();
    update
        .par_chunks_mut(plane)
        .zip(reset.par_chunks_mut(plane))
        .zip(h.slice().par_chunks(plane))
        .enumerate()
        .for_each(|(index, ((update, reset), hidden))| {
            // Where z and r of this batch and channel begin.
            let z = (index / channels * 2 * channels + index % channels) * plane;
            let r = z + channels * plane;
            isa.run(Open {
                z: [sums, addends].map(|view| &view.slice()[z..][..plane]),
                r: [sums, addends].map(|view| &view.slice()[r..][..plane]),
                hidden,
                update,
                reset,
            });
        });
    (h.tensor(update, shape), h.tensor(reset, shape))
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
    let [Some(h), Some(z), Some(sums), Some(addends)] = &views else {
        return close_plain(hidden, update, candidate, constant);
    };
    let [.., height, width] = hidden.dims();
    let plane = (height * width).max(1);
    let isa = Isa::best();
    let mut next = vec![0.0; h.slice().len()];
    next.par_chunks_mut(plane)
        .enumerate()
        .for_each(|(index, next)| {
            let first = index * plane;
            let [hidden, update, a, b] =
                [h, z, sums, addends].map(|view| &view.slice()[first..][..plane]);
            isa.run(Close {
                hidden,
                update,
                candidate: [a, b],
                next,
            });
        });
    h.tensor(next, hidden.dims())
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

/// [`open`] on one plane; gates come as two addends.
struct Open<'a> {
    z: [&'a [f32]; 2],
    r: [&'a [f32]; 2],
    hidden: &'a [f32],
    update: &'a mut [f32],
    reset: &'a mut [f32],
}

impl Job for Open<'_> {
    #[inline(always)]
    fn run(self) {
        for ((update, a), b) in self.update.iter_mut().zip(self.z[0]).zip(self.z[1]) {
            *update = sigmoid(a + b);
        }
        let gates = self.r[0].iter().zip(self.r[1]).zip(self.hidden);
        for (reset, ((a, b), h)) in self.reset.iter_mut().zip(gates) {
            *reset = sigmoid(a + b) * h;
        }
    }
}

/// [`close`] on one plane; the candidate comes as two addends.
struct Close<'a> {
    hidden: &'a [f32],
    update: &'a [f32],
    candidate: [&'a [f32]; 2],
    next: &'a mut [f32],
}

impl Job for Close<'_> {
    #[inline(always)]
    fn run(self) {
        let candidate = self.candidate[0].iter().zip(self.candidate[1]);
        let inputs = self.hidden.iter().zip(self.update).zip(candidate);
        for (next, ((h, z), (a, b))) in self.next.iter_mut().zip(inputs) {
            *next = (1.0 - z) * h + z * tanh(a + b);
        }
    }
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
}
