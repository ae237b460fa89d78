//! The samples of a deformable convolution on the CPU: for some pixels, the modulated bilinear
//! samples of every group, tap and channel, interleaved for the matrix product.

use std::ops::Range;

use rayon::prelude::*;

use crate::{
    device::isa::{Isa, Job},
    kernels::cpu::{math, panels::ROWS},
};

/// A tensor `[B, C, H, W]` as a slice.
#[derive(Clone, Copy)]
pub struct Planes<'a> {
    data: &'a [f32],
    size: [usize; 2],
    batches: usize,
}

impl<'a> Planes<'a> {
    /// Wraps `data`, with `size` rows and columns and `batches` entries of the batch.
    pub fn new(data: &'a [f32], size: [usize; 2], batches: usize) -> Self {
        Self {
            data,
            size,
            batches,
        }
    }

    /// Returns the number of entries of the batch.
    pub fn batches(&self) -> usize {
        self.batches
    }

    /// Returns the number of elements of a plane.
    pub fn plane(&self) -> usize {
        self.size[0] * self.size[1]
    }

    fn channels(&self) -> usize {
        self.data.len() / (self.batches * self.plane()).max(1)
    }

    fn get(&self, batch: usize, channel: usize) -> &'a [f32] {
        let start = (batch * self.channels() + channel) * self.plane();
        &self.data[start..start + self.plane()]
    }
}

/// [`SamplingPoints`](super::SamplingPoints) as slices.
#[derive(Clone, Copy)]
pub struct PointPlanes<'a> {
    /// The first channels are offsets, ordered (group, tap, (dy, dx)).
    pub offset: Planes<'a>,
    /// The last channels are modulations, ordered (group, tap).
    pub modulation: Planes<'a>,
    /// If present, offsets and modulation are raw: offset = limit · tanh(raw), modulation =
    /// sigmoid(raw).
    pub limit: Option<f32>,
    /// A flow (x, y) that is added to the offsets.
    pub flow: Option<Planes<'a>>,
}

/// Samples the images of one tensor.
pub struct Sampler<'a> {
    /// The tensor with its channels last, in a border of zeros one pixel wide, so that a corner just
    /// outside the image reads zero without a test.
    pixels: Vec<f32>,
    channels: usize,
    size: [usize; 2],
    points: PointPlanes<'a>,
    groups: usize,
    isa: Isa,
}

/// Memory for the samples of some pixels.
pub struct SampleBuffers {
    /// For each (group, tap): dy, dx and modulation of each pixel.
    sites: Vec<f32>,
    samples: Vec<f32>,
}

impl<'a> Sampler<'a> {
    /// Prepares `x` for sampling at `points`, with a given instruction set.
    pub fn new(x: Planes<'a>, points: PointPlanes<'a>, groups: usize, isa: Isa) -> Self {
        Self {
            pixels: channels_last(x),
            channels: x.channels(),
            size: x.size,
            points,
            groups,
            isa,
        }
    }

    /// Allocates memory for this many pixels.
    pub fn buffers(&self, pixels: usize) -> SampleBuffers {
        let pixels = pixels.next_multiple_of(ROWS);
        SampleBuffers {
            sites: vec![0.0; 27 * self.groups * pixels],
            samples: vec![0.0; 9 * self.channels * pixels],
        }
    }

    /// Samples `pixels`, row-major indices in image `batch`. Returns the samples of [`ROWS`] pixels
    /// side by side, ordered (group, tap, channel of the group).
    pub fn sample<'s>(
        &self,
        batch: usize,
        pixels: Range<usize>,
        buffers: &'s mut SampleBuffers,
    ) -> &'s [f32] {
        let len = 9 * self.channels * pixels.len().next_multiple_of(ROWS);
        let samples = &mut buffers.samples[..len];
        self.isa.run(Sample {
            sampler: self,
            batch,
            pixels,
            sites: &mut buffers.sites,
            samples,
        });
        samples
    }
}

/// Copies `[B, C, H, W]` to `[B, H + 2, W + 2, C]` with a border of zeros.
fn channels_last(x: Planes<'_>) -> Vec<f32> {
    let ([height, width], channels) = (x.size, x.channels());
    let line = (width + 2) * channels;
    let mut out = vec![0.0; x.batches * (height + 2) * line];
    out.par_chunks_mut(line)
        .enumerate()
        .for_each(|(index, out)| {
            let (batch, row) = (index / (height + 2), index % (height + 2));
            if row == 0 || row > height {
                return;
            }
            for (block, first) in (0..channels).step_by(16).enumerate() {
                let count = (channels - first).min(16);
                for channel in first..first + count {
                    let line = &x.get(batch, channel)[(row - 1) * width..][..width];
                    let targets = out[channels..].chunks_exact_mut(channels);
                    for (target, &value) in targets.zip(line) {
                        target[block * 16 + channel - first] = value;
                    }
                }
            }
        });
    out
}

/// The sampling of some pixels.
struct Sample<'a> {
    sampler: &'a Sampler<'a>,
    batch: usize,
    pixels: Range<usize>,
    sites: &'a mut [f32],
    samples: &'a mut [f32],
}

impl Job for Sample<'_> {
    #[inline(always)]
    fn run(mut self) {
        self.resolve();
        match self.sampler.channels / self.sampler.groups {
            each if each % 16 == 0 => self.gather::<16>(),
            each if each % 8 == 0 => self.gather::<8>(),
            _ => self.gather::<1>(),
        }
    }
}

impl Sample<'_> {
    /// Computes the offsets and the modulation of all pixels.
    #[inline(always)]
    fn resolve(&mut self) {
        let Sampler { points, groups, .. } = self.sampler;
        let count = self.pixels.len();
        let padded = count.next_multiple_of(ROWS);
        let first = points.modulation.channels() - 9 * groups;
        for (tap, sites) in self
            .sites
            .chunks_exact_mut(3 * padded)
            .take(9 * groups)
            .enumerate()
        {
            let (offsets, modulation) = sites.split_at_mut(2 * padded);
            for (axis, target) in offsets.chunks_exact_mut(padded).enumerate() {
                let plane = points.offset.get(self.batch, 2 * tap + axis);
                target[..count].copy_from_slice(&plane[self.pixels.clone()]);
                if let Some(limit) = points.limit {
                    target.iter_mut().for_each(|v| *v = limit * math::tanh(*v));
                }
                if let Some(flow) = points.flow {
                    let flow = &flow.get(self.batch, 1 - axis)[self.pixels.clone()];
                    target.iter_mut().zip(flow).for_each(|(v, flow)| *v += flow);
                }
            }
            let plane = points.modulation.get(self.batch, first + tap);
            modulation[..count].copy_from_slice(&plane[self.pixels.clone()]);
            if points.limit.is_some() {
                modulation.iter_mut().for_each(|v| *v = math::sigmoid(*v));
            }
        }
    }

    /// Computes the samples, `N` channels at a time.
    #[inline(always)]
    fn gather<const N: usize>(&mut self) {
        let Sampler {
            groups,
            channels,
            size,
            ..
        } = *self.sampler;
        let each = channels / groups;
        let pitch = (size[1] + 2) * channels;
        let image = &self.sampler.pixels[self.batch * (size[0] + 2) * pitch..];
        let count = self.pixels.len().next_multiple_of(ROWS);
        let blocks = self.samples.chunks_exact_mut(9 * channels * ROWS);
        for (block, samples) in blocks.enumerate() {
            let mut rows = samples.as_chunks_mut::<ROWS>().0.chunks_exact_mut(N);
            let first = self.pixels.start + block * ROWS;
            let place = [
                std::array::from_fn(|lane| ((first + lane) / size[1]) as f32),
                std::array::from_fn(|lane| ((first + lane) % size[1]) as f32),
            ];
            for (index, sites) in self
                .sites
                .chunks_exact(3 * count)
                .take(9 * groups)
                .enumerate()
            {
                let (group, tap) = (index / 9, index % 9);
                let part = |part: usize| &sites[part * count + block * ROWS..][..ROWS];
                let corners = Corners::of(
                    [part(0), part(1), part(2)],
                    &place,
                    [(tap / 3) as f32 - 1.0, (tap % 3) as f32 - 1.0],
                    size,
                );
                for channel in (group * each..(group + 1) * each).step_by(N) {
                    let mut values = [[0.0; N]; ROWS];
                    for (lane, values) in values.iter_mut().enumerate() {
                        let start = corners.first[lane] as usize * channels + channel;
                        let weights = corners.weights.map(|weights| weights[lane]);
                        let corner = |at: usize| &image[at..at + N];
                        let [a, b] = [corner(start), corner(start + channels)];
                        let below = start + pitch;
                        let [c, d] = [corner(below), corner(below + channels)];
                        for (n, value) in values.iter_mut().enumerate() {
                            *value = a[n] * weights[0]
                                + b[n] * weights[1]
                                + c[n] * weights[2]
                                + d[n] * weights[3];
                        }
                    }
                    let Some(rows) = rows.next() else { return };
                    for (n, row) in rows.iter_mut().enumerate() {
                        for (lane, value) in row.iter_mut().enumerate() {
                            *value = values[lane][n];
                        }
                    }
                }
            }
        }
    }
}

/// The four pixels around each of [`ROWS`] places.
struct Corners {
    /// The position of the upper left pixel in the image with its border.
    first: [u32; ROWS],
    /// The modulated weights of the upper left, upper right, lower left and lower right pixels.
    weights: [[f32; ROWS]; 4],
}

impl Corners {
    #[inline(always)]
    fn of(
        [dy, dx, modulation]: [&[f32]; 3],
        place: &[[f32; ROWS]; 2],
        tap: [f32; 2],
        [height, width]: [usize; 2],
    ) -> Self {
        let mut corners = Self {
            first: [0; ROWS],
            weights: [[0.0; ROWS]; 4],
        };
        for lane in 0..ROWS {
            let y = place[0][lane] + tap[0] + dy[lane];
            let x = place[1][lane] + tap[1] + dx[lane];
            let (top, left) = (y.floor(), x.floor());
            let inside = top >= -1.0 && left >= -1.0 && top < height as f32 && left < width as f32;
            let m = if inside { modulation[lane] } else { 0.0 };
            let (top, fy) = if inside { (top, y - top) } else { (0.0, 0.0) };
            let (left, fx) = if inside { (left, x - left) } else { (0.0, 0.0) };
            let first = (top as i32 + 1) * (width as i32 + 2) + left as i32 + 1;
            corners.first[lane] = first as u32;
            corners.weights[0][lane] = m * (1.0 - fy) * (1.0 - fx);
            corners.weights[1][lane] = m * (1.0 - fy) * fx;
            corners.weights[2][lane] = m * fy * (1.0 - fx);
            corners.weights[3][lane] = m * fy * fx;
        }
        corners
    }
}
