//! Luma pyramids with a margin, and which of their pixels may be looked at.

use std::ops::Range;

use super::{luma::luma, template::PATCH_SIDE};
use crate::{
    Frame,
    classical::{fields::grid::floor, hole::source_map::SourceMap},
};

/// Pixels around every plane, so that a patch may hang over the picture's edge.
pub const MARGIN: usize = 16;
/// Pixels that a search goes from where it starts: a patch's side, and a last step of three.
const SEARCH_RADIUS: isize = PATCH_SIDE as isize + 3;
/// Side of the squares that are made at once where only some of a picture is needed.
const TILE: usize = 32;

/// One level, or what is needed of it: luma and validity (1 where the picture is known, 0 in the
/// hole and the margin), both `stride` bytes a row.
pub struct PyramidLevel {
    /// Of the whole picture.
    pub width: usize,
    pub height: usize,
    /// The first column and row that are here; a whole level begins with its margin.
    x: isize,
    y: isize,
    rows: usize,
    pub stride: usize,
    pub luma: Vec<u8>,
    pub valid: Vec<u8>,
}

impl PyramidLevel {
    /// A whole level, nothing known.
    fn new(width: usize, height: usize) -> Self {
        let all = |side: usize| -(MARGIN as isize)..(side + MARGIN) as isize;
        Self::part(width, height, all(width), all(height))
    }

    /// These columns and rows of one.
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

    /// Where pixel (x, y) lies; both may reach `MARGIN` beyond the picture.
    pub fn offset(&self, x: isize, y: isize) -> usize {
        debug_assert!(x >= self.x && y >= self.y);
        (y - self.y) as usize * self.stride + (x - self.x) as usize
    }

    /// The place next to (x, y) from which a patch, and what interpolation touches beside it, is
    /// in here.
    pub fn clamp(&self, x: f32, y: f32) -> (f32, f32) {
        let most = |first: isize, length: usize| {
            (first + length as isize) as f32 - (PATCH_SIDE + 2) as f32
        };
        (
            x.max(self.x as f32).min(most(self.x, self.stride)),
            y.max(self.y as f32).min(most(self.y, self.rows)),
        )
    }

    fn whole(frame: &Frame, source_map: Option<&SourceMap>) -> Self {
        let mut level = Self::new(frame.width(), frame.height());
        for y in 0..frame.height() {
            level.copy_row(frame, source_map, y, 0..frame.width());
        }
        level
    }

    /// The part of a frame's finest level that searches from these corners of patches need.
    pub fn around(
        frame: &Frame,
        source_map: Option<&SourceMap>,
        corners: impl Iterator<Item = (f32, f32)>,
    ) -> Self {
        let (width, height) = (frame.width(), frame.height());
        // As a whole level brings them into it.
        let most = |side: usize| (side + MARGIN - PATCH_SIDE - 2) as f32;
        let near = |t: f32, side: usize| {
            let first = floor(t.max(-(MARGIN as f32)).min(most(side)));
            let margin = MARGIN as isize;
            let end = first + SEARCH_RADIUS + PATCH_SIDE as isize + 4;
            (first - SEARCH_RADIUS - 1).max(-margin)..end.min(side as isize + margin)
        };
        // Columns and rows.
        let needed: Vec<[Range<isize>; 2]> = corners
            .map(|(x, y)| [near(x, width), near(y, height)])
            .collect();
        let [columns, rows] = [0, 1].map(|axis| {
            let first = needed.iter().map(|ranges| ranges[axis].start).min();
            let end = needed.iter().map(|ranges| ranges[axis].end).max();
            first.unwrap_or(0)..end.unwrap_or(0)
        });
        let mut level = Self::part(width, height, columns.clone(), rows.clone());
        // Squares, so that what nobody looks at is not made.
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

    /// Takes pixels of a row of a frame of this size.
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
        luma(&mut self.luma[start..start + columns.len()], rgb);
        let valid = &mut self.valid[start..start + columns.len()];
        valid.fill(1);
        if let Some(source_map) = source_map {
            source_map.clear_hole(y, columns.start, valid);
        }
    }

    /// Bytes on the heap.
    fn bytes(&self) -> u64 {
        (self.luma.capacity() + self.valid.capacity()) as u64
    }

    /// Half the size: means over the known ones of four pixels; known where two are.
    fn downsampled(&self) -> Self {
        let mut half = Self::new(self.width.div_ceil(2), self.height.div_ceil(2));
        for y in 0..half.height {
            let top = self.offset(0, 2 * y as isize);
            let bottom = top + self.stride;
            let start = half.offset(0, y as isize);
            let width = half.width;
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

/// A frame's luma, finest level first.
pub struct Pyramid(pub Vec<PyramidLevel>);

impl Pyramid {
    /// Halves until the next level's shorter side would be under 24 pixels.
    pub fn new(frame: &Frame, source_map: Option<&SourceMap>) -> Self {
        let mut levels = vec![PyramidLevel::whole(frame, source_map)];
        while let Some(last) = levels.last()
            && last.width.min(last.height) >= 48
        {
            levels.push(last.downsampled());
        }
        Self(levels)
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(PyramidLevel::bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mask;

    #[test]
    fn a_part_of_a_level_is_as_the_whole() {
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
