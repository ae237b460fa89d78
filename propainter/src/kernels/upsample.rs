//! Upsampling ×2 by bilinear interpolation with aligned corners (spec section 0), whole or some rows of it.

use std::ops::Range;

use burn::tensor::{DType, Int, Tensor, module, ops};
use rayon::prelude::*;

use super::{
    host::HostView,
    isa::{Isa, Job},
    wide::widened,
};

/// `[B, C, H, W]` → `[B, C, 2H, 2W]`
pub fn upsample(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    match HostView::of(&x) {
        Some(view) => {
            let out = upsample_slices(view.slice(), [height, width], Isa::best());
            view.tensor(out, [batch, channels, 2 * height, 2 * width])
        }
        None => upsample_plain(x),
    }
}

/// The plain twin of [`upsample`]: the library's operation.
pub fn upsample_plain(x: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let options = ops::InterpolateOptions::new(ops::InterpolateMode::Bilinear)
        .with_align_corners(true)
        .with_output_size([2 * height, 2 * width]);
    module::interpolate(x, options)
}

/// Rows of what [`upsample`] makes of a picture, from some of the picture's rows.
///
/// - `x`: the rows from `start` on of a picture of `height`, `[B, C, h, W]`; among them
///   [`sources`] of `rows`
/// - `rows`: of 2 · `height`
///
/// Result `[B, C, rows, 2W]`.
pub fn upsample_rows(x: Tensor<4>, start: usize, height: usize, rows: Range<usize>) -> Tensor<4> {
    let [batch, channels, _, width] = x.dims();
    match HostView::of(&x) {
        Some(view) => {
            let shape = [batch, channels, rows.len(), 2 * width];
            let strip = Strip {
                held: x.dims()[2],
                start,
                height,
                rows,
            };
            let out = strip.upsample(view.slice(), width, Isa::best());
            view.tensor(out, shape)
        }
        None if rows == (0..2 * height) => upsample_plain(x),
        None => upsample_rows_plain(x, start, height, rows),
    }
}

/// The plain twin of [`upsample_rows`], in tensor operations. Rows are rounded to the numbers
/// of `x` before they are made longer.
pub fn upsample_rows_plain(
    x: Tensor<4>,
    start: usize,
    height: usize,
    rows: Range<usize>,
) -> Tensor<4> {
    let (device, count, width) = (x.device(), rows.len(), x.dims()[3]);
    let lines = widened(x, |x| {
        let picked = |line: fn(Line) -> usize| {
            let lines = rows.clone().map(|row| line(Line::of(row, height)) - start);
            let lines: Vec<i64> = lines.map(|line| line as i64).collect();
            let lines = Tensor::<1, Int>::from_data(&lines[..], &device);
            x.clone().select(2, lines)
        };
        let shares: Vec<f32> = rows
            .clone()
            .map(|row| Line::of(row, height).share)
            .collect();
        let shares = Tensor::<1>::from_data(&shares[..], (&device, DType::F32));
        let own = picked(|line| line.own);
        own.clone() + (picked(|line| line.other) - own) * shares.reshape([1, 1, count, 1])
    });
    let options = ops::InterpolateOptions::new(ops::InterpolateMode::Bilinear)
        .with_align_corners(true)
        .with_output_size([count, 2 * width]);
    module::interpolate(lines, options)
}

/// The rows of a picture of `height` that `rows` of the upsampled one are made of.
pub fn sources(rows: Range<usize>, height: usize) -> Range<usize> {
    rows.start.saturating_sub(1) / 2..(rows.end / 2 + 1).min(height)
}

/// What a row of the upsampled picture is made of.
#[derive(Clone, Copy)]
struct Line {
    own: usize,
    other: usize,
    /// What it takes of the other one.
    share: f32,
}

impl Line {
    /// Of 2n rows, aligned at both ends with n, number 2i lies i / (2n − 1) before row i, and
    /// number 2i + 1 lies (n − 1 − i) / (2n − 1) behind it.
    fn of(row: usize, height: usize) -> Self {
        let own = row / 2;
        let (steps, other) = match row % 2 {
            0 => (own, own.saturating_sub(1)),
            _ => (height - 1 - own, (own + 1).min(height - 1)),
        };
        Self {
            own,
            other,
            share: steps as f32 / (2 * height - 1) as f32,
        }
    }
}

/// Planes of `height` × `width` to planes of twice that, with a given instruction set.
pub fn upsample_slices(x: &[f32], [height, width]: [usize; 2], isa: Isa) -> Vec<f32> {
    let whole = Strip {
        held: height,
        start: 0,
        height,
        rows: 0..2 * height,
    };
    whole.upsample(x, width, isa)
}

/// Some rows of an upsampled picture.
#[derive(Clone, Debug)]
pub struct Strip {
    /// Rows of the picture that are there, and the first of them.
    pub held: usize,
    pub start: usize,
    /// All rows of the picture.
    pub height: usize,
    /// Of the upsampled picture.
    pub rows: Range<usize>,
}

impl Strip {
    /// Planes of `held` × `width` to planes of `rows` × 2 `width`, with a given instruction set.
    pub fn upsample(&self, x: &[f32], width: usize, isa: Isa) -> Vec<f32> {
        let planes = x.len() / (self.held * width).max(1);
        let size = self.rows.len() * 2 * width;
        let mut out = vec![0.0; planes * size];
        if out.is_empty() {
            return out;
        }
        let columns = shares(width);
        x.par_chunks(self.held * width)
            .zip(out.par_chunks_mut(size))
            .for_each_init(
                || vec![0.0; width],
                |line, (x, out)| {
                    isa.run(Plane {
                        strip: self,
                        x,
                        out,
                        line,
                        columns: &columns,
                    });
                },
            );
        out
    }
}

/// Of 2n outputs, aligned at both ends with n inputs, what each input's two take of its other
/// neighbours.
fn shares(n: usize) -> Vec<[f32; 2]> {
    let share = |output| Line::of(output, n).share;
    (0..n).map(|i| [share(2 * i), share(2 * i + 1)]).collect()
}

struct Plane<'a> {
    strip: &'a Strip,
    x: &'a [f32],
    out: &'a mut [f32],
    /// Room for one input line, interpolated down the columns.
    line: &'a mut [f32],
    /// The shares of columns.
    columns: &'a [[f32; 2]],
}

impl Job for Plane<'_> {
    #[inline(always)]
    fn run(self) {
        let width = self.columns.len();
        let input = |line: usize| &self.x[(line - self.strip.start) * width..][..width];
        let rows = self.out.chunks_exact_mut(2 * width);
        for (out, row) in rows.zip(self.strip.rows.clone()) {
            let Line { own, other, share } = Line::of(row, self.strip.height);
            let sources = input(own).iter().zip(input(other));
            for (value, (own, other)) in self.line.iter_mut().zip(sources) {
                *value = own + share * (other - own);
            }
            stretch(self.line, self.columns, out);
        }
    }
}

/// One line to twice its length.
#[inline(always)]
fn stretch(line: &[f32], shares: &[[f32; 2]], out: &mut [f32]) {
    let last = line.len() - 1;
    let out = out.as_chunks_mut::<2>().0;
    let between = |own: f32, other: f32, share: f32| own + share * (other - own);
    out[0][0] = line[0];
    out[last][1] = line[last];
    for ((out, pair), share) in out.iter_mut().zip(line.windows(2)).zip(shares) {
        out[1] = between(pair[0], pair[1], share[1]);
    }
    for ((out, pair), share) in out[1..].iter_mut().zip(line.windows(2)).zip(&shares[1..]) {
        out[0] = between(pair[1], pair[0], share[0]);
    }
}
