//! The zero-padded copy of a convolution's input for one tile of its output. In the copy every tap of
//! the kernel is a constant shift, so that neighbouring outputs read neighbouring inputs and nothing
//! is unrolled (no im2col).
//!
//! A stride splits rows and columns into phases (for stride 2, even and odd ones). Each phase is a
//! small image of its own, within which the stride is 1.

use super::geometry::ConvGeometry;

/// The layout of the copies in memory.
pub struct PaddedLayout {
    geometry: ConvGeometry,
    /// For each axis, the phases that some tap falls into.
    phases: [Vec<usize>; 2],
    /// For each axis, the number of lines that the taps of a phase reach beyond the tile.
    reach: [usize; 2],
    /// Lines of the image of a phase.
    lines: usize,
    /// Elements from one line to the next.
    pub pitch: usize,
    /// Elements from one channel to the next.
    channel: usize,
}

/// The place of one tile in the output, in rows and columns.
#[derive(Clone, Copy)]
pub struct OutputTile {
    pub start: [usize; 2],
    pub size: [usize; 2],
}

impl PaddedLayout {
    /// Returns the layout for tiles of at most `rows` × `columns` outputs.
    pub fn new(geometry: ConvGeometry, kernel: [usize; 2], rows: usize, columns: usize) -> Self {
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
        // Channels that lie a multiple of the page apart would compete for the same few cache sets.
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

    /// Returns the number of elements of a copy with this many channels, plus `slack` elements that
    /// the last, partly filled vector reads beyond them.
    pub fn len(&self, channels: usize, slack: usize) -> usize {
        channels * self.channel + slack
    }

    /// Returns the offset of the input of each weight from the place of the output, ordered (channel,
    /// tap).
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
                    let image = (py * self.phases[1].len() + px) * self.lines;
                    let offset = channel * self.channel + (image + y) * self.pitch + x;
                    offsets.push(u32::try_from(offset).expect("a tile is small"));
                }
            }
        }
        offsets
    }

    /// Copies the inputs of the tile's outputs from one channel, a plane of `height` × `width`, to
    /// channel `index` of `buffer`.
    #[inline(always)]
    pub fn fill(
        &self,
        buffer: &mut [f32],
        index: usize,
        plane: &[f32],
        [height, width]: [usize; 2],
        tile: OutputTile,
    ) {
        let ConvGeometry {
            stride, padding, ..
        } = self.geometry;
        let buffer = &mut buffer[index * self.channel..][..self.channel];
        let mut images = buffer.chunks_exact_mut(self.lines * self.pitch);
        let columns = tile.size[1] + self.reach[1];
        for row_phase in &self.phases[0] {
            for column_phase in &self.phases[1] {
                let image = images.next().expect("one image a phase");
                // Column j of the image is column j · stride + first − padding of the plane.
                let first = tile.start[1] * stride[1] + column_phase;
                let left = padding[1]
                    .saturating_sub(first)
                    .div_ceil(stride[1])
                    .min(columns);
                let right = (width + padding[1])
                    .saturating_sub(first)
                    .div_ceil(stride[1])
                    .clamp(left, columns);
                let lines = image.chunks_exact_mut(self.pitch);
                for (line, target) in lines.take(tile.size[0] + self.reach[0]).enumerate() {
                    let target = &mut target[..columns];
                    let row = (tile.start[0] + line) * stride[0] + row_phase;
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

/// Copies every `stride`-th element of `source`.
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

/// Copies as [`copy`] does, with a constant stride that the compiler turns into shuffles.
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
