//! How a convolution's input is laid out for one tile of its output: a zero-padded copy in
//! which every tap of the kernel is a constant shift, so that neighbouring outputs read
//! neighbouring inputs and nothing is unrolled.
//!
//! A stride splits rows and columns into phases (even and odd ones, for 2), each a small
//! picture of its own; within a phase the stride is gone.

use super::conv2d::Geometry;

/// The layout of the copies for tiles of at most `rows` × `columns` outputs.
pub struct Layout {
    geometry: Geometry,
    /// Phases that some tap falls into, per axis.
    phases: [Vec<usize>; 2],
    /// How far the taps of a phase reach beyond the tile, per axis.
    reach: [usize; 2],
    /// Lines of a phase's picture.
    lines: usize,
    /// Elements from one line to the next.
    pub pitch: usize,
    /// Elements from one channel to the next.
    channel: usize,
}

/// One tile's place among the outputs.
#[derive(Clone, Copy)]
pub struct Window {
    pub start: [usize; 2],
    pub size: [usize; 2],
}

impl Layout {
    pub fn new(geometry: Geometry, kernel: [usize; 2], rows: usize, columns: usize) -> Self {
        let axis = |axis: usize| {
            let taps = (0..kernel[axis]).map(move |tap| tap * geometry.dilation[axis]);
            let stride = geometry.stride[axis];
            let reach = taps.clone().map(|tap| tap / stride).max().unwrap_or(0);
            let mut phases: Vec<usize> = taps.map(|tap| tap % stride).collect();
            phases.sort_unstable();
            phases.dedup();
            (phases, reach)
        };
        let ((row_phases, rows_reach), (column_phases, columns_reach)) = (axis(0), axis(1));
        let lines = rows + rows_reach;
        let pitch = columns + columns_reach;
        // Channels a multiple of the page apart would fall into the same few cache sets.
        let lanes = (row_phases.len() * column_phases.len() * lines * pitch).div_ceil(16);
        Self {
            geometry,
            phases: [row_phases, column_phases],
            reach: [rows_reach, columns_reach],
            lines,
            pitch,
            channel: (lanes | 1) * 16,
        }
    }

    /// Elements of a copy with so many channels, and what a last, partly filled vector of
    /// `slack` elements reads beyond them.
    pub fn len(&self, channels: usize, slack: usize) -> usize {
        channels * self.channel + slack
    }

    /// Where each weight's input lies, relative to an output's place; ordered (channel, tap).
    pub fn offsets(&self, channels: usize, kernel: [usize; 2]) -> Vec<u32> {
        let phase = |axis: usize, tap: usize| {
            let tap = tap * self.geometry.dilation[axis];
            let stride = self.geometry.stride[axis];
            let phase = self.phases[axis].binary_search(&(tap % stride));
            (phase.expect("a phase of every tap"), tap / stride)
        };
        let mut offsets = Vec::with_capacity(channels * kernel[0] * kernel[1]);
        for channel in 0..channels {
            for row in 0..kernel[0] {
                for column in 0..kernel[1] {
                    let ((py, y), (px, x)) = (phase(0, row), phase(1, column));
                    let picture = (py * self.phases[1].len() + px) * self.lines;
                    let offset = channel * self.channel + (picture + y) * self.pitch + x;
                    offsets.push(u32::try_from(offset).expect("a tile is small"));
                }
            }
        }
        offsets
    }

    /// Copies what the window's outputs read of one channel, a plane of `height` × `width`,
    /// to channel `index` of `patch`. With a stride, the window counts in steps of it.
    #[inline(always)]
    pub fn fill(
        &self,
        patch: &mut [f32],
        index: usize,
        plane: &[f32],
        [height, width]: [usize; 2],
        window: Window,
    ) {
        let Geometry {
            stride, padding, ..
        } = self.geometry;
        let patch = &mut patch[index * self.channel..][..self.channel];
        let mut pictures = patch.chunks_exact_mut(self.lines * self.pitch);
        let columns = window.size[1] + self.reach[1];
        for row_phase in &self.phases[0] {
            for column_phase in &self.phases[1] {
                let picture = pictures.next().expect("one picture a phase");
                // Column j of the picture is column j · stride + first − padding of the plane.
                let first = window.start[1] * stride[1] + column_phase;
                let left = padding[1]
                    .saturating_sub(first)
                    .div_ceil(stride[1])
                    .min(columns);
                let right = (width + padding[1])
                    .saturating_sub(first)
                    .div_ceil(stride[1])
                    .clamp(left, columns);
                let lines = picture.chunks_exact_mut(self.pitch);
                for (line, target) in lines.take(window.size[0] + self.reach[0]).enumerate() {
                    let target = &mut target[..columns];
                    let row = (window.start[0] + line) * stride[0] + row_phase;
                    let Some(row) = row.checked_sub(padding[0]).filter(|&row| row < height) else {
                        target.fill(0.0);
                        continue;
                    };
                    target[..left].fill(0.0);
                    target[right..].fill(0.0);
                    if left < right {
                        let from = first + left * stride[1] - padding[1];
                        let source = &plane[row * width..][..width][from..];
                        let target = &mut target[left..right];
                        copy(target, source, stride[1]);
                    }
                }
            }
        }
    }
}

/// Every `stride`-th element of `source`.
#[inline(always)]
fn copy(target: &mut [f32], source: &[f32], stride: usize) {
    match stride {
        1 => target.copy_from_slice(&source[..target.len()]),
        2 => every::<2>(target, source),
        4 => every::<4>(target, source),
        _ => {
            for (target, source) in target.iter_mut().zip(source.iter().step_by(stride)) {
                *target = *source;
            }
        }
    }
}

/// As [`copy`], with a stride that becomes shuffles.
#[inline(always)]
fn every<const N: usize>(target: &mut [f32], source: &[f32]) {
    let Some((last, target)) = target.split_last_mut() else {
        return;
    };
    *last = source[target.len() * N];
    for (target, source) in target.iter_mut().zip(source.as_chunks::<N>().0) {
        *target = source[0];
    }
}
