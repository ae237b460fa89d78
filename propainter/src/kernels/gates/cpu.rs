//! The CPU form of a GRU's gates.

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::{
    device::isa::{Isa, Job},
    kernels::cpu::{
        host_view::HostView,
        math::{sigmoid, tanh},
    },
};

/// Computes [`open`](super::open); returns `None` unless all tensors are on the CPU device.
pub fn open(
    gates: &Tensor<4>,
    constant: &Tensor<4>,
    hidden: &Tensor<4>,
) -> Option<(Tensor<4>, Tensor<4>)> {
    let views = [gates, constant, hidden].map(HostView::of);
    let [Some(sums), Some(addends), Some(h)] = &views else {
        return None;
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
            // The planes of z and r of this batch entry and channel.
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
    Some((h.tensor(update, shape), h.tensor(reset, shape)))
}

/// Computes [`close`](super::close); returns `None` unless all tensors are on the CPU device.
pub fn close(
    hidden: &Tensor<4>,
    update: &Tensor<4>,
    candidate: &Tensor<4>,
    constant: &Tensor<4>,
) -> Option<Tensor<4>> {
    let views = [hidden, update, candidate, constant].map(HostView::of);
    let [Some(h), Some(z), Some(sums), Some(addends)] = &views else {
        return None;
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
    Some(h.tensor(next, hidden.dims()))
}

/// [`open`] on one plane. The logits of the gates are the sums of two addends.
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

/// [`close`] on one plane. The candidate before tanh is the sum of two addends.
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
