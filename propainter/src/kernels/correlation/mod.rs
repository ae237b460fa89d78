//! RAFT's all-pairs correlation at four scales, and its lookup (spec section 2).

mod cpu;
pub mod cube;

use std::iter;

use burn::tensor::{Int, Tensor, module, ops::AvgPoolOptions};

use self::cpu::HostPyramid;
use super::{cpu::host_view::HostView, flops, linear::cube::all_products};
use crate::device::isa::Isa;

/// Levels of the pyramid.
const LEVELS: usize = 4;
/// Steps from the centre of a window to its edge.
pub(super) const RADIUS: usize = 4;

/// Samples to a side of the window at a level.
pub(super) const SIDE: usize = 2 * RADIUS + 1;

/// Integer positions to a side, between which the samples of a window lie.
pub(super) const PATCH: usize = SIDE + 1;

/// The form in which the correlation is stored between lookups. The values are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CorrelationForm {
    /// The correlation of all pairs of positions, computed once: fast, 4/3·(h·w)² elements.
    #[default]
    Volume,
    /// Only the features. A lookup computes the inner products that it needs.
    Features,
}

/// The correlation of two feature maps, at four scales of the second.
pub struct Correlation {
    /// Height and width of the feature maps.
    size: [usize; 2],
    levels: Vec<PyramidLevel>,
    /// The first features, `[B, h·w, C]`, divided by √C; `None` if the volume is stored.
    first: Option<Tensor<3>>,
}

/// One level of the pyramid.
struct PyramidLevel {
    /// Height and width of the level.
    size: [usize; 2],
    /// The volume `[B, h·w, height·width]`, or the second features `[B, height·width, C]`.
    values: Tensor<3>,
}

impl Correlation {
    /// Correlates `first` with `second`, both `[B, C, h, w]`. They have at least 16 rows and columns,
    /// so that the last level has two.
    pub fn new(first: Tensor<4>, second: Tensor<4>, form: CorrelationForm) -> Self {
        let [_, channels, height, width] = first.dims();
        let (batch, positions) = (first.dims()[0], first.dims()[2] * first.dims()[3]);
        let first = flat(first) / (channels as f32).sqrt();
        // Pooling is linear: the correlation with pooled features is the pooled volume.
        let pyramid = iter::successors(Some(second), |level| {
            let pool = AvgPoolOptions::new([2, 2]);
            Some(module::avg_pool2d(level.clone(), pool))
        });
        let levels = pyramid.take(LEVELS).map(|second| {
            let [.., height, width] = second.dims();
            let second = flat(second);
            if form == CorrelationForm::Volume {
                flops::count(batch * positions * height * width * channels);
            }
            PyramidLevel {
                size: [height, width],
                values: match form {
                    CorrelationForm::Volume => volume(&first, second),
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

    /// Samples the correlation around `coordinates` `[B, 2, h, w]` (channel 0 x): for each position of
    /// the first map, 9×9 bilinear samples at each level, with zeros outside. Returns
    /// `[B, 324, h, w]`; channel i·81 + a·9 + b is level i at (x/2^i + a − 4, y/2^i + b − 4).
    pub fn lookup(&self, coordinates: Tensor<4>) -> Tensor<4> {
        self.count_lookup();
        self.lookup_on_gpu(&coordinates, false)
            .unwrap_or_else(|| self.lookup_at(coordinates))
    }

    /// Computes [`Self::lookup`] around `grid + flow`, where `grid` `[1, 2, h, w]` holds the
    /// coordinates of the positions and `flow` is `[B, 2, h, w]`.
    pub fn lookup_along(&self, flow: &Tensor<4>, grid: &Tensor<4>) -> Tensor<4> {
        self.count_lookup();
        self.lookup_on_gpu(flow, true)
            .unwrap_or_else(|| self.lookup_at(grid.clone() + flow.clone()))
    }

    /// Counts the inner products of a lookup.
    fn count_lookup(&self) {
        if let Some(first) = &self.first {
            // The 9×9 samples are interpolated from products at 10×10 positions.
            let [batch, positions, channels] = first.dims();
            let places = LEVELS * PATCH * PATCH;
            flops::count(batch * positions * places * channels);
        }
    }

    /// The CPU form of [`Self::lookup`], or the reference form on another device.
    fn lookup_at(&self, coordinates: Tensor<4>) -> Tensor<4> {
        match (HostView::of(&coordinates), self.host()) {
            (Some(at), Some(host)) => {
                let [batch, _, height, width] = coordinates.dims();
                let shape = [batch, LEVELS * SIDE * SIDE, height, width];
                at.tensor(host.lookup(at.slice(), batch), shape)
            }
            _ => self.lookup_reference(coordinates),
        }
    }

    /// The GPU form of [`Self::lookup`] around coordinates, or around the positions moved by a flow;
    /// returns `None` unless all tensors are on a CubeCL device.
    fn lookup_on_gpu(&self, moved: &Tensor<4>, flows: bool) -> Option<Tensor<4>> {
        let levels: Vec<_> = self.levels.iter().map(|level| &level.values).collect();
        let lookup = cube::Lookup {
            levels: &levels,
            first_level: 0,
            size: self.size,
            moved,
            flows,
        };
        match &self.first {
            None => lookup.in_volume(),
            Some(first) => lookup.in_features(first),
        }
    }

    /// Computes [`Self::lookup`] in tensor operations.
    pub fn lookup_reference(&self, coordinates: Tensor<4>) -> Tensor<4> {
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

    /// Returns the pyramid as slices; `None` if it is not on the CPU device.
    fn host(&self) -> Option<HostPyramid> {
        let levels = self.levels.iter().map(|level| {
            let view = HostView::of(&level.values)?;
            Some((view, level.size))
        });
        let first = match &self.first {
            Some(first) => Some((HostView::of(first)?, first.dims()[2])),
            None => None,
        };
        Some(HostPyramid {
            pixels: self.size[0] * self.size[1],
            levels: levels.collect::<Option<_>>()?,
            first,
            isa: Isa::best(),
        })
    }
}

/// Returns the inner products of all pairs of positions: `[B, C, P]` and `[B, C, Q]` → `[B, P, Q]`.
fn volume(first: &Tensor<3>, second: Tensor<3>) -> Tensor<3> {
    match all_products(first, &second, 1.0) {
        Some(volume) => volume,
        None => first.clone().transpose().matmul(second),
    }
}

/// Flattens the positions: `[B, C, h, w]` → `[B, C, h·w]`.
fn flat(x: Tensor<4>) -> Tensor<3> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height * width])
}

/// Transposes `[B, C, P]` → `[B, P, C]` in memory too, so that the features of a position are
/// contiguous.
fn rows(x: Tensor<3>) -> Tensor<3> {
    let [batch, channels, pixels] = x.dims();
    let moved: Tensor<1> = x.transpose().reshape([batch * channels * pixels]);
    moved.reshape([batch, pixels, channels])
}

impl PyramidLevel {
    /// Returns the 81 samples around each (x, y) `[B, P, 1]`: `[B, P, 81]`, x outer.
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

    /// Returns the correlation at the 10×10 integer positions from (left − 4, top − 4) on, 0 outside:
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

    /// Returns the inner products of the first features with the second at `index` `[B, P, K]`.
    fn products(&self, first: &Tensor<3>, index: Tensor<3, Int>) -> Tensor<3> {
        let [batch, pixels, count] = index.dims();
        let channels = first.dims()[2];
        // One position at a time, because all at once would need K copies of the features.
        let products = (0..count).map(|k| {
            let index = index.clone().narrow(2, k, 1);
            let index = index.expand([batch, pixels, channels]);
            let second = self.values.clone().gather(1, index);
            (first.clone() * second).sum_dim(2)
        });
        Tensor::cat(products.collect(), 2)
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
                    correlation.lookup_reference(coordinates.clone()),
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
