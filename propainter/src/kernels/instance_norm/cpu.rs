//! The CPU form of instance norm.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::EPSILON;
use crate::kernels::cpu::host_view::HostView;

/// Computes [`instance_norm`](super::instance_norm); returns `None` if `x` is not on the CPU
/// device.
pub fn instance_norm(x: &Tensor<4>, rectify: bool) -> Option<Tensor<4>> {
    let view = HostView::of(x)?;
    let shape @ [.., height, width] = x.dims();
    let plane = (height * width).max(1);
    let floor = if rectify { 0.0 } else { f32::NEG_INFINITY };
    let mut out = vec![0.0; view.slice().len()];
    out.par_chunks_mut(plane)
        .zip(view.slice().par_chunks(plane))
        .for_each(|(out, values)| {
            let mean = sum(values, |v| v) / plane as f64;
            let shift = mean as f32;
            let variance = sum(values, |v| (v - shift) * (v - shift)) / plane as f64;
            let scale = 1.0 / (variance as f32 + EPSILON).sqrt();
            for (out, v) in out.iter_mut().zip(values) {
                *out = ((v - shift) * scale).max(floor);
            }
        });
    Some(view.tensor(out, shape))
}

/// Sums `term` over `values`: in lanes of `f32` over short runs, and the runs in `f64`.
fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    const LANES: usize = 16;
    let run = |values: &[f32]| {
        let mut sums = [0.0; LANES];
        let (whole, rest) = values.as_chunks::<LANES>();
        for lanes in whole {
            for (sum, &v) in sums.iter_mut().zip(lanes) {
                *sum += term(v);
            }
        }
        let rest = rest.iter().map(|&v| term(v));
        f64::from(sums.iter().copied().chain(rest).sum::<f32>())
    };
    values.chunks(1024).map(run).sum()
}
