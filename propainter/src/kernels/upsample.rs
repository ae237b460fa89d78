//! Upsampling ×2 by bilinear interpolation with aligned corners (spec section 0), whole or an area
//! of it.

use std::ops::Range;

use burn::tensor::{DType, Int, Tensor};
use rayon::prelude::*;

use super::{
    cube,
    host::HostView,
    isa::{Isa, Job},
    wide::widened,
};
use crate::Area;

/// An area of a picture upsampled, from a part of the picture.
///
/// - `x`: the area `held` of a picture of `size` (rows and columns), `[B, C, h, w]`; in it
///   [`sources`] of `area`'s rows and columns
/// - `area`: of the upsampled picture; its columns begin and end at even ones
///
/// Result `[B, C, rows, columns]`.
pub fn upsample_area(x: Tensor<4>, held: &Area, size: [usize; 2], area: &Area) -> Tensor<4> {
    let [batch, channels, _, _] = x.dims();
    match HostView::of(&x) {
        Some(view) => {
            let [rows, columns] = area.size();
            let part = Part {
                held: held.clone(),
                size,
                area: area.clone(),
            };
            let out = part.upsample(view.slice(), Isa::best());
            view.tensor(out, [batch, channels, rows, columns])
        }
        None => cube::upsample::upsample_area(&x, held, size, area)
            .unwrap_or_else(|| upsample_area_plain(x, held, size, area)),
    }
}

/// The plain twin of [`upsample_area`], in tensor operations.
pub fn upsample_area_plain(x: Tensor<4>, held: &Area, size: [usize; 2], area: &Area) -> Tensor<4> {
    widened(x, |x| {
        let x = lengthened(x, 2, held.rows.start, size[0], &area.rows);
        lengthened(x, 3, held.columns.start, size[1], &area.columns)
    })
}

/// The lines `lines` of twice as many, along an axis that holds lines from `start` on, of
/// `length`.
fn lengthened(
    x: Tensor<4>,
    axis: usize,
    start: usize,
    length: usize,
    lines: &Range<usize>,
) -> Tensor<4> {
    let (device, mut shape) = (x.device(), [1; 4]);
    shape[axis] = lines.len();
    let lines = lines.clone().map(|line| Line::of(line, length));
    let picked = |line: fn(Line) -> usize| {
        let lines: Vec<i64> = lines.clone().map(|l| (line(l) - start) as i64).collect();
        let lines = Tensor::<1, Int>::from_data(&lines[..], &device);
        x.clone().select(axis, lines)
    };
    let shares: Vec<f32> = lines.clone().map(|line| line.share).collect();
    let shares = Tensor::<1>::from_data(&shares[..], (&device, DType::F32));
    let own = picked(|line| line.own);
    own.clone() + (picked(|line| line.other) - own) * shares.reshape(shape)
}

/// The lines of an axis of `length` that `lines` of the upsampled one are made of.
pub fn sources(lines: Range<usize>, length: usize) -> Range<usize> {
    lines.start.saturating_sub(1) / 2..(lines.end / 2 + 1).min(length)
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

/// A part of an upsampled picture.
#[derive(Clone, Debug)]
pub struct Part {
    /// What is there of the picture, and its rows and columns.
    pub held: Area,
    pub size: [usize; 2],
    /// Of the upsampled picture, between even columns.
    pub area: Area,
}

impl Part {
    /// Planes of `held` to planes of `area`, with a given instruction set.
    pub fn upsample(&self, x: &[f32], isa: Isa) -> Vec<f32> {
        let columns = self.area.columns.clone();
        assert!(
            columns.start.is_multiple_of(2) && columns.end.is_multiple_of(2),
            "columns {columns:?} of an upsampled picture are no pairs"
        );
        let (held, size) = (self.held.pixels(), self.area.pixels());
        let planes = x.len() / held.max(1);
        let mut out = vec![0.0; planes * size];
        if out.is_empty() {
            return out;
        }
        let shares: Vec<_> = (columns.start / 2..columns.end / 2)
            .map(|i| [2 * i, 2 * i + 1].map(|output| Line::of(output, self.size[1]).share))
            .collect();
        x.par_chunks(held)
            .zip(out.par_chunks_mut(size))
            .for_each_init(
                || vec![0.0; self.held.columns.len()],
                |line, (x, out)| {
                    isa.run(Plane {
                        part: self,
                        x,
                        out,
                        line,
                        shares: &shares,
                    });
                },
            );
        out
    }
}

struct Plane<'a> {
    part: &'a Part,
    x: &'a [f32],
    out: &'a mut [f32],
    /// Room for one input line, interpolated down the columns.
    line: &'a mut [f32],
    /// What each of a pair of outputs takes of the input on its side.
    shares: &'a [[f32; 2]],
}

impl Job for Plane<'_> {
    #[inline(always)]
    fn run(self) {
        let Part { held, size, area } = self.part;
        let width = held.columns.len();
        let input = |line: usize| &self.x[(line - held.rows.start) * width..][..width];
        let rows = self.out.chunks_exact_mut(area.columns.len());
        for (out, row) in rows.zip(area.rows.clone()) {
            let Line { own, other, share } = Line::of(row, size[0]);
            let sources = input(own).iter().zip(input(other));
            for (value, (own, other)) in self.line.iter_mut().zip(sources) {
                *value = own + share * (other - own);
            }
            let first = area.columns.start / 2 - held.columns.start;
            stretch(self.line, first, self.shares, out);
        }
    }
}

/// The inputs of a line from `first` on to two outputs each. Where a line begins or ends there,
/// so does the picture.
#[inline(always)]
fn stretch(line: &[f32], first: usize, shares: &[[f32; 2]], out: &mut [f32]) {
    let (out, end) = (out.as_chunks_mut::<2>().0, first + shares.len());
    let between = |own: f32, other: f32, share: f32| own + share * (other - own);
    if first == 0 {
        out[0][0] = line[0];
    }
    if end == line.len() {
        out[shares.len() - 1][1] = line[end - 1];
    }
    let pairs = line[first..].windows(2);
    for ((out, pair), share) in out.iter_mut().zip(pairs).zip(shares) {
        out[1] = between(pair[0], pair[1], share[1]);
    }
    // The first output of a line has nothing before it.
    let skipped = usize::from(first == 0);
    let pairs = line[first + skipped - 1..].windows(2);
    for ((out, pair), share) in out[skipped..].iter_mut().zip(pairs).zip(&shares[skipped..]) {
        out[0] = between(pair[1], pair[0], share[0]);
    }
}
