//! RAFT's correlation pyramid and its lookup (spec section 2).

use std::{iter, slice::ChunksExact};

use burn::tensor::{Int, Tensor, module, ops::AvgPoolOptions};
use rayon::prelude::*;

use super::{
    cube,
    host::HostView,
    isa::{Isa, Job},
    work,
};

const LEVELS: usize = 4;
pub(super) const RADIUS: usize = 4;
/// Samples to a side of a level's window.
pub(super) const SIDE: usize = 2 * RADIUS + 1;
/// Whole positions to a side that those samples lie between.
pub(super) const PATCH: usize = SIDE + 1;
/// Pixels that one task looks up: its samples stay in the cache until they are written.
const RUN: usize = 64;

/// How the correlation is kept between lookups; the values are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CorrelationForm {
    /// All pairs of positions, computed once: fast, 4/3·(h·w)² numbers.
    #[default]
    Volume,
    /// Only the features; inner products are taken at each lookup, where they are needed.
    Features,
}

/// The correlation of two feature maps at four scales of the second.
pub struct Correlation {
    /// Height and width of the feature maps.
    size: [usize; 2],
    levels: Vec<Level>,
    /// `[B, h·w, C]`, divided by √C; none where the products are already taken.
    first: Option<Tensor<3>>,
}

struct Level {
    /// Height and width.
    size: [usize; 2],
    /// The volume `[B, h·w, height·width]`, or the second features `[B, height·width, C]`.
    values: Tensor<3>,
}

impl Correlation {
    /// Correlates `first` with `second`, both `[B, C, h, w]` with at least 16 rows and columns,
    /// so that the last level has two.
    pub fn new(first: Tensor<4>, second: Tensor<4>, form: CorrelationForm) -> Self {
        let [_, channels, height, width] = first.dims();
        let (batch, positions) = (first.dims()[0], first.dims()[2] * first.dims()[3]);
        let first = flat(first) / (channels as f32).sqrt();
        // Pooling is linear: pooled features correlate to the pooled volume.
        let pyramid = iter::successors(Some(second), |level| {
            let pool = AvgPoolOptions::new([2, 2]);
            Some(module::avg_pool2d(level.clone(), pool))
        });
        let levels = pyramid.take(LEVELS).map(|second| {
            let [.., height, width] = second.dims();
            let second = flat(second);
            if form == CorrelationForm::Volume {
                work::count(batch * positions * height * width * channels);
            }
            Level {
                size: [height, width],
                values: match form {
                    CorrelationForm::Volume => first.clone().transpose().matmul(second),
                    CorrelationForm::Features => rows(second),
                },
            }
        });
        Self {
            size: [height, width],
            levels: levels.collect(),
            first: (form == CorrelationForm::Features).then(|| rows(first)),
        }
    }

    /// Samples around `coordinates` `[B, 2, h, w]`, channel 0 x: for each position of the first
    /// map, 9×9 samples at each level, zeros outside. Result `[B, 324, h, w]`, channel
    /// i·81 + a·9 + b is level i at (x/2^i + a − 4, y/2^i + b − 4).
    pub fn lookup(&self, coordinates: Tensor<4>) -> Tensor<4> {
        if let Some(first) = &self.first {
            // Features meet at the 10×10 places that 9×9 samples are interpolated from.
            let [batch, positions, channels] = first.dims();
            let places = LEVELS * PATCH * PATCH;
            work::count(batch * positions * places * channels);
        }
        match (HostView::of(&coordinates), self.host()) {
            (Some(at), Some(host)) => {
                let [batch, _, height, width] = coordinates.dims();
                let shape = [batch, LEVELS * SIDE * SIDE, height, width];
                at.tensor(host.lookup(at.slice(), batch), shape)
            }
            _ => self
                .lookup_on_card(&coordinates)
                .unwrap_or_else(|| self.lookup_plain(coordinates)),
        }
    }

    /// The form for cards.
    fn lookup_on_card(&self, coordinates: &Tensor<4>) -> Option<Tensor<4>> {
        let lookup = |(i, level): (usize, &Level)| {
            let (values, size) = (&level.values, level.size);
            match &self.first {
                None => cube::correlation::lookup(values, size, coordinates, i),
                Some(first) => {
                    cube::correlation::lookup_from_features(first, values, size, coordinates, i)
                }
            }
        };
        let samples: Option<Vec<_>> = self.levels.iter().enumerate().map(lookup).collect();
        Some(Tensor::cat(samples?, 1))
    }

    /// The plain twin of [`Self::lookup`], in tensor operations.
    pub fn lookup_plain(&self, coordinates: Tensor<4>) -> Tensor<4> {
        let [batch, _, height, width] = coordinates.dims();
        let coordinates = coordinates.reshape([batch, 2, height * width]);
        let part = |i: usize| -> Tensor<3> {
            let axis = coordinates.clone().narrow(1, i, 1);
            axis.reshape([batch, height * width, 1])
        };
        let (x, y) = (part(0), part(1)); // [B, P, 1]
        let levels = self.levels.iter().enumerate().map(|(i, level)| {
            let scale = (1 << i) as f32;
            level.samples(self.first.as_ref(), x.clone() / scale, y.clone() / scale)
        });
        let samples = Tensor::cat(levels.collect(), 2); // [B, P, 324]
        samples
            .transpose()
            .reshape([batch, LEVELS * SIDE * SIDE, height, width])
    }

    /// The correlation as the CPU kernel reads it; `None` on other devices.
    fn host(&self) -> Option<Host> {
        let levels = self.levels.iter().map(|level| {
            let view = HostView::of(&level.values)?;
            Some((view, level.size))
        });
        let first = match &self.first {
            Some(first) => Some((HostView::of(first)?, first.dims()[2])),
            None => None,
        };
        Some(Host {
            pixels: self.size[0] * self.size[1],
            levels: levels.collect::<Option<_>>()?,
            first,
            isa: Isa::best(),
        })
    }
}

/// `[B, C, h, w]` → `[B, C, h·w]`
fn flat(x: Tensor<4>) -> Tensor<3> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height * width])
}

/// `[B, C, P]` → `[B, P, C]`, moved in memory too: a position's features lie together.
fn rows(x: Tensor<3>) -> Tensor<3> {
    let [batch, channels, pixels] = x.dims();
    let moved: Tensor<1> = x.transpose().reshape([batch * channels * pixels]);
    moved.reshape([batch, pixels, channels])
}

impl Level {
    /// 81 samples around each (x, y) `[B, P, 1]`: `[B, P, 81]`, x outer.
    fn samples(&self, first: Option<&Tensor<3>>, x: Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        let [batch, pixels, _] = x.dims();
        let (left, top) = (x.clone().floor(), y.clone().floor());
        let (dx, dy) = (x - left.clone(), y - top.clone());
        let patch = self.patch(first, left, top); // [B, P, x, y]
        let side = [batch, pixels, 1, 1];
        let blend = |near: Tensor<4>, far: Tensor<4>, weight: Tensor<4>| {
            near * (-weight.clone() + 1.0) + far * weight
        };
        let columns = blend(
            patch.clone().narrow(2, 0, SIDE),
            patch.narrow(2, 1, SIDE),
            dx.reshape(side),
        );
        let samples = blend(
            columns.clone().narrow(3, 0, SIDE),
            columns.narrow(3, 1, SIDE),
            dy.reshape(side),
        );
        samples.reshape([batch, pixels, SIDE * SIDE])
    }

    /// Correlations at the 10×10 whole positions from (left − 4, top − 4) on, zero outside:
    /// `[B, P, 10, 10]`, x outer.
    fn patch(&self, first: Option<&Tensor<3>>, left: Tensor<3>, top: Tensor<3>) -> Tensor<4> {
        let [batch, pixels, _] = left.dims();
        let steps: Tensor<1, Int> = Tensor::arange(0..PATCH as i64, &left.device());
        let steps: Tensor<3> = (steps.float() - RADIUS as f32).reshape([1, 1, PATCH]);
        let along = |start: Tensor<3>, size: usize| {
            let position = start + steps.clone(); // [B, P, 10]
            let clamped = position.clone().clamp(0.0, (size - 1) as f32);
            (clamped.clone(), position.equal(clamped).float())
        };
        let [height, width] = self.size;
        let (x, x_inside) = along(left, width);
        let (y, y_inside) = along(top, height);
        let square = [batch, pixels, PATCH * PATCH];
        let join = |x: Tensor<3>, y: Tensor<3>| -> (Tensor<4>, Tensor<4>) {
            let column = x.reshape([batch, pixels, PATCH, 1]);
            (column, y.reshape([batch, pixels, 1, PATCH]))
        };
        let (column, row) = join(x, y);
        let index: Tensor<3> = (row * width as f32 + column).reshape(square);
        let (column, row) = join(x_inside, y_inside);
        let inside: Tensor<4> = row * column;
        let values = match first {
            None => self.values.clone().gather(2, index.int()),
            Some(first) => self.products(first, index.int()),
        };
        values.reshape([batch, pixels, PATCH, PATCH]) * inside
    }

    /// Inner products of the first features with the second at `index` `[B, P, K]`.
    fn products(&self, first: &Tensor<3>, index: Tensor<3, Int>) -> Tensor<3> {
        let [batch, pixels, count] = index.dims();
        let channels = first.dims()[2];
        // One position at a time: all at once would hold K copies of the features.
        let products = (0..count).map(|k| {
            let index = index.clone().narrow(2, k, 1);
            let index = index.expand([batch, pixels, channels]);
            let second = self.values.clone().gather(1, index);
            (first.clone() * second).sum_dim(2)
        });
        Tensor::cat(products.collect(), 2)
    }
}

/// Slices of a [`Correlation`] on the CPU.
struct Host {
    pixels: usize,
    levels: Vec<(HostView, [usize; 2])>,
    /// The first features and their channels.
    first: Option<(HostView, usize)>,
    isa: Isa,
}

impl Host {
    fn lookup(&self, coordinates: &[f32], batch: usize) -> Vec<f32> {
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

    /// Samples `[324, run]` of consecutive pixels from `start` on.
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

    /// Correlations of `pixel` at the 10×10 positions from (left − 4, top − 4) on, rows of y,
    /// zero outside; `None` where all are.
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

/// The part of a patch's side that lies inside: positions `from..end`, at `to` in the patch.
struct Span {
    from: usize,
    end: usize,
    to: usize,
}

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

/// Bilinear samples at one shift between the positions, x outer.
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

fn blend_row(row: &[f32; PATCH], dx: f32) -> [f32; SIDE] {
    std::array::from_fn(|a| row[a] * (1.0 - dx) + row[a + 1] * dx)
}

/// Inner products of one position's features with those of a row of positions.
struct Products<'a> {
    first: &'a [f32],
    row: ChunksExact<'a, f32>,
    out: &'a mut [f32],
}

impl Job for Products<'_> {
    #[inline(always)]
    fn run(self) {
        for (out, second) in self.out.iter_mut().zip(self.row) {
            // Sums side by side, as many as two of the widest registers hold.
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

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    #[test]
    fn all_forms_agree_at_odd_sizes_and_far_outside() {
        let device = Device::flex();
        for [batch, channels, height, width] in [[1, 20, 16, 16], [2, 37, 17, 19], [1, 8, 25, 18]] {
            let shape = [batch, channels, height, width];
            let features = || Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
            let (first, second) = (features(), features());
            let spread = Distribution::Normal(8.0, 12.0);
            let mut coordinates = Tensor::<4>::random([batch, 2, height, width], spread, &device);
            for (row, value) in [1e30, -1e30, 15.0, -5.0].into_iter().enumerate() {
                let corner = [0..batch, 0..2, row..row + 1, 0..2];
                coordinates = coordinates.slice_fill(corner, value);
            }
            let lookups = [CorrelationForm::Volume, CorrelationForm::Features].map(|form| {
                let correlation = Correlation::new(first.clone(), second.clone(), form);
                [
                    correlation.lookup_plain(coordinates.clone()),
                    correlation.lookup(coordinates.clone()),
                ]
            });
            let [expected, rest @ ..] = lookups.as_flattened() else {
                unreachable!("four lookups");
            };
            for samples in rest {
                let difference = samples.clone() - expected.clone();
                let difference = difference.abs().max().into_scalar::<f32>();
                assert!(difference < 1e-5, "{shape:?}: {difference:e}");
            }
        }
    }
}
