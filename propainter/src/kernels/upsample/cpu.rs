//! The CPU form of bilinear upsampling.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::Blend;
use crate::{
    Rect,
    device::isa::{Isa, Job},
    kernels::cpu::host_view::HostView,
};

/// Computes [`upsample2x`](super::upsample2x); returns `None` if `x` is not on the CPU device.
pub fn upsample2x(x: &Tensor<4>, held: &Rect, size: [usize; 2], area: &Rect) -> Option<Tensor<4>> {
    let [batch, channels, _, _] = x.dims();
    let view = HostView::of(x)?;
    let [rows, columns] = area.size();
    let task = Upsample2x {
        held: held.clone(),
        size,
        area: area.clone(),
    };
    let out = task.run(view.slice(), Isa::best());
    Some(view.tensor(out, [batch, channels, rows, columns]))
}

/// Upsampling of a part of an image to a part of the image twice as large.
#[derive(Clone, Debug)]
pub struct Upsample2x {
    /// The part of the image that is given.
    pub held: Rect,
    /// The rows and columns of the whole image.
    pub size: [usize; 2],
    /// The part of the upsampled image; its columns begin and end at even numbers.
    pub area: Rect,
}

impl Upsample2x {
    /// Computes planes of the size of `area` from planes of the size of `held`, with a given
    /// instruction set.
    ///
    /// # Panics
    /// Panics if the columns of `area` begin or end at an odd number.
    pub fn run(&self, x: &[f32], isa: Isa) -> Vec<f32> {
        let columns = self.area.columns.clone();
        assert!(
            columns.start.is_multiple_of(2) && columns.end.is_multiple_of(2),
            "columns {columns:?} of an upsampled image do not begin and end at even numbers"
        );
        let (held, size) = (self.held.pixels(), self.area.pixels());
        let planes = x.len() / held.max(1);
        let mut out = vec![0.0; planes * size];
        if out.is_empty() {
            return out;
        }
        let weights: Vec<_> = (columns.start / 2..columns.end / 2)
            .map(|i| [2 * i, 2 * i + 1].map(|output| Blend::of(output, self.size[1]).weight))
            .collect();
        x.par_chunks(held)
            .zip(out.par_chunks_mut(size))
            .for_each_init(
                || vec![0.0; self.held.columns.len()],
                |line, (x, out)| {
                    isa.run(Plane {
                        task: self,
                        x,
                        out,
                        line,
                        weights: &weights,
                    });
                },
            );
        out
    }
}

/// One plane of an [`Upsample2x`].
struct Plane<'a> {
    task: &'a Upsample2x,
    x: &'a [f32],
    out: &'a mut [f32],
    /// Memory for one input line, interpolated between rows.
    line: &'a mut [f32],
    /// The weights of the far columns, for each pair of outputs.
    weights: &'a [[f32; 2]],
}

impl Job for Plane<'_> {
    #[inline(always)]
    fn run(self) {
        let Upsample2x { held, size, area } = self.task;
        let width = held.columns.len();
        let input = |line: usize| &self.x[(line - held.rows.start) * width..][..width];
        let rows = self.out.chunks_exact_mut(area.columns.len());
        for (out, row) in rows.zip(area.rows.clone()) {
            let Blend { near, far, weight } = Blend::of(row, size[0]);
            let sources = input(near).iter().zip(input(far));
            for (value, (near, far)) in self.line.iter_mut().zip(sources) {
                *value = near + weight * (far - near);
            }
            let first = area.columns.start / 2 - held.columns.start;
            upsample_line(self.line, first, self.weights, out);
        }
    }
}

/// Computes two outputs for each input of a line from `first` on. The line must begin (or end) at
/// the edge of the image if its first (or last) input is upsampled.
#[inline(always)]
fn upsample_line(line: &[f32], first: usize, weights: &[[f32; 2]], out: &mut [f32]) {
    let (out, end) = (out.as_chunks_mut::<2>().0, first + weights.len());
    let blend = |near: f32, far: f32, weight: f32| near + weight * (far - near);
    if first == 0 {
        out[0][0] = line[0];
    }
    if end == line.len() {
        out[weights.len() - 1][1] = line[end - 1];
    }
    let pairs = line[first..].windows(2);
    for ((out, pair), weight) in out.iter_mut().zip(pairs).zip(weights) {
        out[1] = blend(pair[0], pair[1], weight[1]);
    }
    // The first output of a line has no input before it.
    let skipped = usize::from(first == 0);
    let pairs = line[first + skipped - 1..].windows(2);
    for ((out, pair), weight) in out[skipped..]
        .iter_mut()
        .zip(pairs)
        .zip(&weights[skipped..])
    {
        out[0] = blend(pair[1], pair[0], weight[0]);
    }
}
