//! Luma pyramids with a margin and a mask of known pixels.

use std::ops::Range;

use rayon::prelude::*;

use super::{luma::luma, template::PATCH_SIDE};
use crate::{
    Frame,
    classical::{fields::grid::floor, hole::source_map::SourceMap},
};

/// Width of the margin around every plane, so that a patch may extend beyond the frame.
pub const MARGIN: usize = 16;
/// Largest distance in pixels that a search moves from its start: one patch, plus a last step of
/// three.
const SEARCH_RADIUS: isize = PATCH_SIDE as isize + 3;
/// Side of the tiles in which a partial level is filled.
const TILE: usize = 32;

/// A level of a pyramid, or the part of it that is needed: luma and validity, both `stride` bytes a
/// row. Validity is 1 where the frame is known, and 0 in the hole and the margin.
pub struct PyramidLevel {
    /// Width of the whole level in pixels.
    pub width: usize,
    /// Height of the whole level in pixels.
    pub height: usize,
    /// First stored column and row. A whole level begins with its margin.
    x: isize,
    y: isize,
    /// Number of stored rows.
    rows: usize,
    /// Bytes per row.
    pub stride: usize,
    /// Luma of the stored pixels.
    pub luma: Vec<u8>,
    /// Validity of the stored pixels, 0 or 1.
    pub valid: Vec<u8>,
}

impl PyramidLevel {
    /// Allocates a whole level without known pixels.
    fn new(width: usize, height: usize) -> Self {
        let all = |side: usize| -(MARGIN as isize)..(side + MARGIN) as isize;
        Self::part(width, height, all(width), all(height))
    }

    /// Allocates the given columns and rows of a level.
    fn part(width: usize, height: usize, columns: Range<isize>, rows: Range<isize>) -> Self {
        let bytes = columns.len() * rows.len();
        Self {
            width,
            height,
            x: columns.start,
            y: rows.start,
            rows: rows.len(),
            stride: columns.len(),
            luma: vec![0; bytes],
            valid: vec![0; bytes],
        }
    }

    /// Returns the index of pixel (x, y), which may lie up to `MARGIN` outside the frame.
    pub fn offset(&self, x: isize, y: isize) -> usize {
        debug_assert!(x >= self.x && y >= self.y);
        (y - self.y) as usize * self.stride + (x - self.x) as usize
    }

    /// Returns the nearest position to (x, y) at which a patch and the pixels needed to interpolate
    /// it are stored.
    pub fn clamp(&self, x: f32, y: f32) -> (f32, f32) {
        let most = |first: isize, length: usize| {
            (first + length as isize) as f32 - (PATCH_SIDE + 2) as f32
        };
        (
            x.max(self.x as f32).min(most(self.x, self.stride)),
            y.max(self.y as f32).min(most(self.y, self.rows)),
        )
    }

    /// Converts a frame to its finest level.
    fn whole(frame: &Frame, source_map: Option<&SourceMap>) -> Self {
        let mut level = Self::new(frame.width(), frame.height());
        let (stride, width) = (level.stride, frame.width());
        let inside = MARGIN..MARGIN + width;
        fn rows(
            plane: &mut [u8],
            stride: usize,
            height: usize,
        ) -> rayon::slice::ChunksExactMut<'_, u8> {
            plane[MARGIN * stride..][..height * stride].par_chunks_exact_mut(stride)
        }
        rows(&mut level.luma, stride, frame.height())
            .zip(rows(&mut level.valid, stride, frame.height()))
            .zip(frame.rgb().par_chunks_exact(3 * width))
            .enumerate()
            .with_min_len(64)
            .for_each(|(y, ((row, known), rgb))| {
                convert_row(
                    &mut row[inside.clone()],
                    &mut known[inside.clone()],
                    rgb,
                    source_map,
                    (0, y),
                );
            });
        level
    }

    /// Returns the part of a frame's finest level that searches from these corners of patches need.
    pub fn around(
        frame: &Frame,
        source_map: Option<&SourceMap>,
        corners: impl Iterator<Item = (f32, f32)>,
    ) -> Self {
        let (width, height) = (frame.width(), frame.height());
        // A whole level clamps positions in the same way.
        let most = |side: usize| (side + MARGIN - PATCH_SIDE - 2) as f32;
        let near = |t: f32, side: usize| {
            let first = floor(t.max(-(MARGIN as f32)).min(most(side)));
            let margin = MARGIN as isize;
            let end = first + SEARCH_RADIUS + PATCH_SIDE as isize + 4;
            (first - SEARCH_RADIUS - 1).max(-margin)..end.min(side as isize + margin)
        };
        // Each corner needs a range of columns and one of rows.
        let needed: Vec<[Range<isize>; 2]> = corners
            .map(|(x, y)| [near(x, width), near(y, height)])
            .collect();
        let [columns, rows] = [0, 1].map(|axis| {
            let first = needed.iter().map(|ranges| ranges[axis].start).min();
            let end = needed.iter().map(|ranges| ranges[axis].end).max();
            first.unwrap_or(0)..end.unwrap_or(0)
        });
        let mut level = Self::part(width, height, columns.clone(), rows.clone());
        // Only tiles that some search needs are filled.
        let across = columns.len().div_ceil(TILE);
        let down = rows.len().div_ceil(TILE);
        let mut tiles = vec![false; across * down];
        let tiles_of = |range: &Range<isize>, first: isize| {
            (range.start - first) as usize / TILE..=(range.end - 1 - first) as usize / TILE
        };
        for [x, y] in &needed {
            for row in tiles_of(y, rows.start) {
                let tiles = &mut tiles[row * across..][..across];
                tiles[tiles_of(x, columns.start)].fill(true);
            }
        }
        let inside = |first: isize, end: isize, side: usize| {
            first.clamp(0, side as isize) as usize..end.clamp(0, side as isize) as usize
        };
        for y in inside(rows.start, rows.end, height) {
            let row = (y as isize - rows.start) as usize / TILE;
            let tiles = &tiles[row * across..][..across];
            let mut next = 0;
            while let Some(first) = tiles[next..].iter().position(|&needed| needed) {
                let first = next + first;
                let run = tiles[first..].iter().take_while(|&&needed| needed).count();
                next = first + run;
                let at = |tile: usize| columns.start + (tile * TILE) as isize;
                let end = at(next).min(columns.end);
                level.copy_row(frame, source_map, y, inside(at(first), end, width));
            }
        }
        level
    }

    /// Converts the given columns of one row of a frame of this size.
    fn copy_row(
        &mut self,
        frame: &Frame,
        source_map: Option<&SourceMap>,
        y: usize,
        columns: Range<usize>,
    ) {
        if columns.is_empty() {
            return;
        }
        let start = self.offset(columns.start as isize, y as isize);
        let first = 3 * (y * self.width + columns.start);
        let rgb = &frame.rgb()[first..first + 3 * columns.len()];
        let stored = start..start + columns.len();
        let (out, valid) = (&mut self.luma[stored.clone()], &mut self.valid[stored]);
        convert_row(out, valid, rgb, source_map, (columns.start, y));
    }

    /// Returns the bytes held on the heap.
    fn bytes(&self) -> u64 {
        (self.luma.capacity() + self.valid.capacity()) as u64
    }

    /// Returns the level at half size. A pixel is the mean of the known ones among four, and is
    /// known if at least two of them are.
    fn downsampled(&self) -> Self {
        let mut half = Self::new(self.width.div_ceil(2), self.height.div_ceil(2));
        for y in 0..half.height {
            let top = self.offset(0, 2 * y as isize);
            let bottom = top + self.stride;
            let start = half.offset(0, y as isize);
            let width = half.width;
            let known = |row: usize| {
                self.valid[row..][..2 * width]
                    .iter()
                    .all(|&valid| valid == 1)
            };
            if known(top) && known(bottom) {
                let pairs = |row: usize| self.luma[row..][..2 * width].as_chunks::<2>().0;
                let luma = half.luma[start..start + width].iter_mut();
                for ((out, a), b) in luma.zip(pairs(top)).zip(pairs(bottom)) {
                    let sum: u16 = [a[0], a[1], b[0], b[1]].map(u16::from).iter().sum();
                    *out = ((sum + 2) >> 2) as u8;
                }
                half.valid[start..start + width].fill(1);
                continue;
            }
            let rows = [
                (&self.luma[top..], &self.valid[top..]),
                (&self.luma[bottom..], &self.valid[bottom..]),
            ]
            .map(|(luma, valid)| luma[..2 * width].chunks_exact(2).zip(valid.chunks_exact(2)));
            let [above, below] = rows;
            let luma = &mut half.luma[start..start + width];
            let valid = &mut half.valid[start..start + width];
            for (((above, below), luma), valid) in above.zip(below).zip(luma).zip(valid) {
                let l = [above.0[0], above.0[1], below.0[0], below.0[1]].map(u32::from);
                let v = [above.1[0], above.1[1], below.1[0], below.1[1]].map(u32::from);
                let known: u32 = v.iter().sum();
                let sum: u32 = l.iter().zip(v).map(|(l, v)| l * v).sum();
                *luma = match known {
                    4 => (sum + 2) >> 2,
                    0 => 0,
                    n => (sum + n / 2) / n,
                } as u8;
                *valid = u8::from(known >= 2);
            }
        }
        half
    }
}

/// Converts pixels of a row that begin at (x, y) to luma and validity.
fn convert_row(
    out: &mut [u8],
    valid: &mut [u8],
    rgb: &[u8],
    source_map: Option<&SourceMap>,
    (x, y): (usize, usize),
) {
    luma(out, rgb);
    valid.fill(1);
    if let Some(source_map) = source_map {
        source_map.clear_hole(y, x, valid);
    }
}

/// The luma pyramid of a frame, finest level first.
pub struct Pyramid(pub Vec<PyramidLevel>);

impl Pyramid {
    /// Builds the pyramid. Halving stops before the shorter side falls below 24 pixels.
    pub fn new(frame: &Frame, source_map: Option<&SourceMap>) -> Self {
        let mut levels = vec![PyramidLevel::whole(frame, source_map)];
        while let Some(last) = levels.last()
            && last.width.min(last.height) >= 48
        {
            levels.push(last.downsampled());
        }
        Self(levels)
    }

    /// Returns whether no pixel of the frame is known.
    pub fn is_unknown(&self) -> bool {
        !self.0[0].valid.contains(&1)
    }

    /// Returns whether two frames of one size know the same pixels, with the same luma.
    pub fn equals(&self, other: &Self) -> bool {
        // The coarser levels follow from the finest.
        let (a, b) = (&self.0[0], &other.0[0]);
        let rows = |plane| <[u8]>::chunks_exact(plane, a.stride);
        let mut pairs = rows(&a.luma).zip(rows(&b.luma)).zip(rows(&a.valid));
        a.valid == b.valid
            && pairs.all(|((a, b), valid)| {
                let mut pixels = a.iter().zip(b).zip(valid);
                a == b || pixels.all(|((a, b), &valid)| a == b || valid == 0)
            })
    }

    /// Returns the bytes held on the heap.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(PyramidLevel::bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mask;

    #[test]
    fn a_coarser_level_holds_the_means_of_what_is_known() {
        let (width, height) = (61, 50);
        let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 9) as u8;
        let frame = Frame::new(width, height, (0..3 * width * height).map(noise).collect());
        let mut hole = Mask::empty(width, height);
        hole.add_rectangle(17, 21, 14, 9);
        let pyramid = Pyramid::new(&frame, SourceMap::new(&hole).as_ref());
        let [fine, half] = &pyramid.0[..] else {
            panic!("two levels");
        };
        for y in 0..half.height {
            for x in 0..half.width {
                let four = [(0, 0), (1, 0), (0, 1), (1, 1)]
                    .map(|(dx, dy)| fine.offset((2 * x + dx) as isize, (2 * y + dy) as isize));
                let known = four.into_iter().filter(|&at| fine.valid[at] == 1);
                let (sum, count) = known.fold((0, 0), |(sum, count), at| {
                    (sum + u32::from(fine.luma[at]), count + 1)
                });
                let at = half.offset(x as isize, y as isize);
                let mean = (sum + count / 2).checked_div(count).unwrap_or(0);
                assert_eq!(u32::from(half.luma[at]), mean, "{x}, {y}");
                assert_eq!(half.valid[at], u8::from(count >= 2), "{x}, {y}");
            }
        }
    }

    #[test]
    fn a_partial_level_equals_the_whole_level() {
        let (width, height) = (190, 120);
        let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 9) as u8;
        let frame = Frame::new(width, height, (0..3 * width * height).map(noise).collect());
        let mut hole = Mask::empty(width, height);
        hole.add_rectangle(40, 30, 60, 50);
        let source_map = SourceMap::new(&hole);
        let whole = PyramidLevel::whole(&frame, source_map.as_ref());
        for corners in [
            &[(12.0, 40.5), (150.2, 100.9)][..],
            &[(-900.0, 3.0), (0.0, 1e9)],
            &[(f32::NAN, f32::INFINITY)],
            &[(44.0, 44.0), (45.0, 44.0), (181.9, 111.9)],
        ] {
            let part = PyramidLevel::around(&frame, source_map.as_ref(), corners.iter().copied());
            for &(x, y) in corners {
                let (x, y) = whole.clamp(x, y);
                for (dx, dy) in [(0.0, 0.0), (11.0, -11.0), (-11.0, 11.0), (3.5, 10.9)] {
                    let place = whole.clamp(x + dx, y + dy);
                    assert_eq!(place, part.clamp(x + dx, y + dy));
                    let (x, y) = (floor(place.0), floor(place.1));
                    for row in 0..=PATCH_SIDE as isize {
                        let (a, b) = (whole.offset(x, y + row), part.offset(x, y + row));
                        assert_eq!(
                            whole.luma[a..=a + PATCH_SIDE],
                            part.luma[b..=b + PATCH_SIDE]
                        );
                        assert_eq!(
                            whole.valid[a..=a + PATCH_SIDE],
                            part.valid[b..=b + PATCH_SIDE]
                        );
                    }
                }
            }
        }
    }
}
