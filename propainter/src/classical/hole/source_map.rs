//! The source map of a frame with a hole: which pixels may be copied into other frames.

use std::ops::Range;

use crate::Mask;
use crate::classical::fields::row_spans::{RowSpans, enclosing_span};

/// Distance in pixels that a source must keep from the hole. Masks are seldom exact, and bicubic
/// interpolation reads two pixels around a position.
const CLEARANCE: usize = 2;

/// Flag of a pixel that may be a source.
const SOURCE: u8 = 1;
/// Flag of a pixel that has a source within [`NEAR_RADIUS`].
const NEAR: u8 = 2;
/// Flag of a pixel inside the hole.
const HOLE: u8 = 4;
/// Radius of [`NEAR`] in pixels. If the centre of a cell lacks the flag, no pixel of the cell is a
/// source.
const NEAR_RADIUS: usize = 4;

/// Flags of the pixels around a hole. All pixels outside the stored spans are sources.
pub struct SourceMap(RowSpans<u8>);

impl SourceMap {
    /// Computes the map of a hole, or returns `None` if the hole is empty.
    pub fn new(hole: &Mask) -> Option<Self> {
        let (width, height) = (hole.width(), hole.height());
        let area = hole.bounding_box();
        if area.is_empty() {
            return None;
        }
        // Farther away, the hole neither changes a flag nor is needed to compute one.
        let near = area.map(|range, axis| {
            let most = [height, width][axis];
            range.start.saturating_sub(CLEARANCE + NEAR_RADIUS)
                ..(range.end + CLEARANCE + NEAR_RADIUS).min(most)
        });
        let [rows, columns] = near.size();
        let hole: Vec<u8> = near
            .rows
            .clone()
            .flat_map(|y| &hole.hole()[y * width..][near.columns.clone()])
            .copied()
            .collect();
        let mut pixels = dilate(&hole, columns, rows, CLEARANCE);
        pixels.iter_mut().for_each(|pixel| *pixel = 1 - *pixel);
        let sources = dilate(&pixels, columns, rows, NEAR_RADIUS);
        for ((pixel, source), hole) in pixels.iter_mut().zip(sources).zip(hole) {
            *pixel |= (source * NEAR) | (hole * HOLE);
        }
        let at =
            |x: usize, y: usize| pixels[(y - near.rows.start) * columns + x - near.columns.start];
        let kept = |y: usize| match near.rows.contains(&y) {
            true => enclosing_span(near.columns.clone(), |x| at(x, y) != SOURCE | NEAR),
            false => 0..0,
        };
        Some(Self(RowSpans::new(height, kept, at)))
    }

    /// Returns whether the pixel may be copied.
    pub fn is_source(&self, x: usize, y: usize) -> bool {
        self.pixel(x, y) & SOURCE != 0
    }

    /// Returns whether a pixel within [`NEAR_RADIUS`] may be copied.
    pub fn has_source_near(&self, x: usize, y: usize) -> bool {
        self.pixel(x, y) & NEAR != 0
    }

    #[inline]
    fn pixel(&self, x: usize, y: usize) -> u8 {
        self.0.get(x, y).unwrap_or(SOURCE | NEAR)
    }

    /// Returns the columns of a row that lie near the hole.
    pub fn near_columns(&self, y: usize) -> Range<usize> {
        self.0.row(y).0
    }

    /// Sets to zero the pixels of the hole in `row`, a row of ones that begins at column `first`.
    pub fn clear_hole(&self, y: usize, first: usize, row: &mut [u8]) {
        let (columns, pixels) = self.0.row(y);
        let end = columns.end.min(first + row.len());
        for x in columns.start.max(first)..end {
            row[x - first] = u8::from(pixels[x - columns.start] & HOLE == 0);
        }
    }

    /// Returns the hole as a mask of the given size.
    pub fn to_mask(&self, width: usize, height: usize) -> Mask {
        let mut hole = vec![0; width * height];
        for (y, row) in hole.chunks_exact_mut(width).enumerate() {
            let (columns, pixels) = self.0.row(y);
            for (hole, pixel) in row[columns].iter_mut().zip(pixels) {
                *hole = u8::from(pixel & HOLE != 0);
            }
        }
        Mask::from_hole(width, height, hole)
    }

    /// Returns the bytes held on the heap.
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }
}

/// Dilates a plane of zeros and ones with a square of the given radius.
fn dilate(plane: &[u8], width: usize, height: usize, radius: usize) -> Vec<u8> {
    let join = |out: &mut [u8], more: &[u8]| {
        out.iter_mut()
            .zip(more)
            .for_each(|(out, more)| *out |= more);
    };
    let mut rows = plane.to_vec();
    for (out, row) in rows.chunks_exact_mut(width).zip(plane.chunks_exact(width)) {
        for shift in 1..=radius.min(width - 1) {
            join(&mut out[shift..], row);
            join(out, &row[shift..]);
        }
    }
    let mut out = rows.clone();
    for shift in (1..=radius.min(height - 1)).map(|rows| rows * width) {
        join(&mut out[shift..], &rows);
        join(&mut out, &rows[shift..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the Chebyshev distance to the nearest marked pixel.
    fn distance(marked: &[u8], width: usize, x: usize, y: usize) -> usize {
        let all = marked
            .iter()
            .enumerate()
            .filter(|(_, marked)| **marked == 1);
        let far = |(i, _): (usize, &u8)| (i % width).abs_diff(x).max((i / width).abs_diff(y));
        all.map(far).min().unwrap_or(usize::MAX)
    }

    #[test]
    fn the_sparse_map_equals_the_flags_of_the_whole_plane() {
        let (width, height) = (57, 41);
        for holes in [
            &[(9, 6, 4, 3)][..],
            &[(0, 0, 57, 41)],
            &[(0, 0, 30, 20)],
            &[(2, 3, 5, 30), (44, 30, 13, 11), (20, 0, 1, 1)],
            &[(0, 40, 57, 1)],
        ] {
            let mut hole = Mask::empty(width, height);
            for &(x, y, width, height) in holes {
                hole.add_rectangle(x, y, width, height);
            }
            let source_map = SourceMap::new(&hole).expect("there is a hole");
            assert_eq!(source_map.to_mask(width, height), hole);
            let places = (0..width * height).map(|i| (i % width, i / width));
            let sources: Vec<u8> = places
                .clone()
                .map(|(x, y)| u8::from(distance(hole.hole(), width, x, y) > CLEARANCE))
                .collect();
            for (x, y) in places {
                let source = sources[y * width + x] == 1;
                assert_eq!(source_map.is_source(x, y), source, "{holes:?}: {x}, {y}");
                let near = distance(&sources, width, x, y) <= NEAR_RADIUS;
                assert_eq!(
                    source_map.has_source_near(x, y),
                    near,
                    "{holes:?}: {x}, {y}"
                );
            }
            for y in 0..height {
                let mut row = [1; 20];
                source_map.clear_hole(y, 5, &mut row);
                let hole = &hole.hole()[y * width + 5..][..20];
                assert!(row.iter().zip(hole).all(|(known, hole)| known + hole == 1));
            }
        }
        assert!(SourceMap::new(&Mask::empty(width, height)).is_none());
    }
}
