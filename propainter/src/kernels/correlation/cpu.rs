//! The CPU form of the lookup.

use std::slice::ChunksExact;

use rayon::prelude::*;

use super::{LEVELS, PATCH, RADIUS, SIDE};
use crate::{
    device::isa::{Isa, Job},
    kernels::cpu::host_view::HostView,
};

/// Positions that one task looks up. Its samples stay in the cache until they are written.
const RUN: usize = 64;

/// A [`Correlation`](super::Correlation) as slices.
pub struct HostPyramid {
    /// Positions of the first map.
    pub pixels: usize,
    /// The values of each level and its height and width.
    pub levels: Vec<(HostView, [usize; 2])>,
    /// The first features and their number of channels; `None` if the volume is stored.
    pub first: Option<(HostView, usize)>,
    pub isa: Isa,
}

impl HostPyramid {
    /// Computes [`Correlation::lookup`](super::Correlation::lookup) for `batch` entries.
    pub fn lookup(&self, coordinates: &[f32], batch: usize) -> Vec<f32> {
        let channels = LEVELS * SIDE * SIDE;
        let mut out = vec![0.0; batch * channels * self.pixels];
        for (b, out) in out.chunks_exact_mut(channels * self.pixels).enumerate() {
            let at = &coordinates[2 * b * self.pixels..][..2 * self.pixels];
            let (x, y) = at.split_at(self.pixels);
            let runs: Vec<_> = x
                .par_chunks(RUN)
                .zip(y.par_chunks(RUN))
                .enumerate()
                .map(|(run, (x, y))| self.look_up_run(b, run * RUN, x, y))
                .collect();
            out.par_chunks_mut(self.pixels)
                .enumerate()
                .for_each(|(channel, plane)| {
                    for (plane, run) in plane.chunks_mut(RUN).zip(&runs) {
                        plane.copy_from_slice(&run[channel * plane.len()..][..plane.len()]);
                    }
                });
        }
        out
    }

    /// Returns the samples `[324, run]` of consecutive positions from `start` on.
    fn look_up_run(&self, batch: usize, start: usize, x: &[f32], y: &[f32]) -> Vec<f32> {
        let run = x.len();
        let mut out = vec![0.0; LEVELS * SIDE * SIDE * run];
        let samples = out.chunks_exact_mut(SIDE * SIDE * run);
        for (level, samples) in samples.enumerate() {
            let scale = (1 << level) as f32;
            for (i, (x, y)) in x.iter().zip(y).enumerate() {
                let (x, y) = (x / scale, y / scale);
                let (left, top) = (x.floor(), y.floor());
                let corner = [left as isize, top as isize];
                let Some(patch) = self.patch(level, batch, start + i, corner) else {
                    continue;
                };
                let window = interpolate(&patch, x - left, y - top);
                for (channel, &value) in window.as_flattened().iter().enumerate() {
                    samples[channel * run + i] = value;
                }
            }
        }
        out
    }

    /// Returns the correlation of `pixel` at the 10×10 positions from (left − 4, top − 4) on, row by
    /// row, 0 outside; `None` if all positions lie outside.
    fn patch(
        &self,
        level: usize,
        batch: usize,
        pixel: usize,
        [left, top]: [isize; 2],
    ) -> Option<[[f32; PATCH]; PATCH]> {
        let (values, [height, width]) = &self.levels[level];
        let columns = span(left, *width)?;
        let rows = span(top, *height)?;
        let size = height * width;
        let mut patch = [[0.0; PATCH]; PATCH];
        for (line, row) in (rows.to..).zip(rows.from..rows.end) {
            let target = &mut patch[line][columns.to..][..columns.end - columns.from];
            match &self.first {
                None => {
                    let first = (batch * self.pixels + pixel) * size + row * width;
                    target.copy_from_slice(&values.slice()[first..][columns.from..columns.end]);
                }
                Some((first, channels)) => {
                    let first = &first.slice()[(batch * self.pixels + pixel) * channels..];
                    let row = (batch * size + row * width + columns.from) * channels;
                    self.isa.run(Products {
                        first: &first[..*channels],
                        row: values.slice()[row..].chunks_exact(*channels),
                        out: target,
                    });
                }
            }
        }
        Some(patch)
    }
}

/// The part of a side of a patch that lies inside: positions `from..end`, at `to` in the patch.
struct Span {
    from: usize,
    end: usize,
    to: usize,
}

/// Returns the part that lies inside an axis of `size` positions; `None` if it is empty.
fn span(corner: isize, size: usize) -> Option<Span> {
    let start = corner.saturating_sub_unsigned(RADIUS);
    let end = start.saturating_add_unsigned(PATCH);
    let from = start.max(0).unsigned_abs();
    let end = end.clamp(0, size.cast_signed()).unsigned_abs();
    (from < end).then(|| Span {
        from,
        end,
        to: (from.cast_signed() - start).unsigned_abs(),
    })
}

/// Interpolates the samples of a window from its patch, all at the same shift; x outer.
fn interpolate(patch: &[[f32; PATCH]; PATCH], dx: f32, dy: f32) -> [[f32; SIDE]; SIDE] {
    let mut out = [[0.0; SIDE]; SIDE];
    let mut above = blend_row(&patch[0], dx);
    for (b, row) in patch[1..].iter().enumerate() {
        let below = blend_row(row, dx);
        for a in 0..SIDE {
            out[a][b] = above[a] * (1.0 - dy) + below[a] * dy;
        }
        above = below;
    }
    out
}

/// Interpolates between the columns of a row.
fn blend_row(row: &[f32; PATCH], dx: f32) -> [f32; SIDE] {
    std::array::from_fn(|a| row[a] * (1.0 - dx) + row[a + 1] * dx)
}

/// The inner products of the features of one position with those of a row of positions.
struct Products<'a> {
    first: &'a [f32],
    row: ChunksExact<'a, f32>,
    out: &'a mut [f32],
}

impl Job for Products<'_> {
    #[inline(always)]
    fn run(self) {
        for (out, second) in self.out.iter_mut().zip(self.row) {
            // As many partial sums as two of the widest registers hold.
            let mut sums = [0.0; 32];
            let (a, a_rest) = self.first.as_chunks::<32>();
            let (b, b_rest) = second.as_chunks::<32>();
            for (a, b) in a.iter().zip(b) {
                for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                    *sum += a * b;
                }
            }
            let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a * b);
            *out = sums.iter().copied().chain(rest).sum();
        }
    }
}
