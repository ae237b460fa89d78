//! Rectangles of an image.

use std::ops::Range;

/// A rectangle of an image, in rows and columns; it may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// The rows, from the top.
    pub rows: Range<usize>,
    /// The columns, from the left.
    pub columns: Range<usize>,
}

impl Rect {
    /// Returns the whole of an image with this many rows and columns.
    pub fn whole([rows, columns]: [usize; 2]) -> Self {
        Self::new([0..rows, 0..columns])
    }

    /// Returns the rectangle with these rows and columns.
    pub fn new([rows, columns]: [Range<usize>; 2]) -> Self {
        Self { rows, columns }
    }

    /// Returns whether the rectangle holds no pixel.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() || self.columns.is_empty()
    }

    /// Returns the number of rows and of columns.
    pub fn size(&self) -> [usize; 2] {
        [self.rows.len(), self.columns.len()]
    }

    /// Returns the number of pixels.
    pub fn pixels(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Returns the smallest rectangle that contains both. An empty rectangle contains nothing.
    pub fn union(&self, other: &Self) -> Self {
        let join = |a: &Range<usize>, b: &Range<usize>| a.start.min(b.start)..a.end.max(b.end);
        match (self.is_empty(), other.is_empty()) {
            (true, _) => other.clone(),
            (_, true) => self.clone(),
            _ => Self::new([
                join(&self.rows, &other.rows),
                join(&self.columns, &other.columns),
            ]),
        }
    }

    /// Returns the pixels that both contain.
    pub fn intersection(&self, other: &Self) -> Self {
        let meet = |a: &Range<usize>, b: &Range<usize>| {
            let start = a.start.max(b.start);
            start..a.end.min(b.end).max(start)
        };
        Self::new([
            meet(&self.rows, &other.rows),
            meet(&self.columns, &other.columns),
        ])
    }

    /// Returns the rectangle with `by` more pixels on every side, clipped to an image of `size`
    /// rows and columns.
    pub fn grown(&self, by: usize, size: [usize; 2]) -> Self {
        self.map(|range, axis| {
            range.start.saturating_sub(by)..range.end.saturating_add(by).min(size[axis])
        })
    }

    /// Applies `axis` to the rows (axis 0) and to the columns (axis 1).
    pub fn map(&self, axis: impl Fn(Range<usize>, usize) -> Range<usize>) -> Self {
        Self::new([axis(self.rows.clone(), 0), axis(self.columns.clone(), 1)])
    }

    /// Returns the row-major index, counted within the rectangle, of the pixel at this row and
    /// column of the image; `None` if the pixel lies outside.
    pub fn index(&self, [row, column]: [usize; 2]) -> Option<usize> {
        let inside = self.rows.contains(&row) && self.columns.contains(&column);
        inside.then(|| (row - self.rows.start) * self.columns.len() + column - self.columns.start)
    }

    /// Returns the part of an image in the rectangle. A pixel of the image has `bytes` bytes, a row
    /// `width` pixels.
    pub(crate) fn cut(&self, image: &[u8], bytes: usize, width: usize) -> Vec<u8> {
        let rows = image.chunks_exact(bytes * width);
        let rows = rows.skip(self.rows.start).take(self.rows.len());
        let row = |row: &[u8]| row[bytes * self.columns.start..bytes * self.columns.end].to_vec();
        rows.flat_map(row).collect()
    }

    /// Writes `part` into the rectangle of an image, whose sizes are those of [`cut`](Self::cut).
    pub(crate) fn paste(&self, part: &[u8], image: &mut [u8], bytes: usize, width: usize) {
        let rows = image.chunks_exact_mut(bytes * width);
        let rows = rows.skip(self.rows.start).take(self.rows.len());
        for (row, part) in rows.zip(part.chunks_exact(bytes * self.columns.len())) {
            row[bytes * self.columns.start..bytes * self.columns.end].copy_from_slice(part);
        }
    }
}

/// A border around a frame, in pixels; 0 on a side leaves that side as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Border {
    /// Pixels to the left of the frame.
    pub left: usize,
    /// Pixels to the right of the frame.
    pub right: usize,
    /// Pixels above the frame.
    pub top: usize,
    /// Pixels below the frame.
    pub bottom: usize,
}

impl Border {
    /// Returns whether no side has a border.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the size, (width, height), of a frame of this size with the border.
    pub fn around(&self, (width, height): (usize, usize)) -> (usize, usize) {
        (
            self.left.saturating_add(width).saturating_add(self.right),
            self.top.saturating_add(height).saturating_add(self.bottom),
        )
    }

    /// Returns the rectangle of a frame of this size within its border.
    pub fn picture(&self, (width, height): (usize, usize)) -> Rect {
        let (left, top) = (self.left, self.top);
        Rect::new([top..top + height, left..left + width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_join_meet_and_grow_within_the_image() {
        let (a, b) = (Rect::new([3..8, 2..6]), Rect::new([1..5, 5..15]));
        assert_eq!(a.union(&b), Rect::new([1..8, 2..15]));
        assert_eq!(a.intersection(&b), Rect::new([3..5, 5..6]));
        assert!(a.intersection(&Rect::new([3..4, 6..7])).is_empty());
        assert_eq!(a.grown(3, [9, 8]), Rect::new([0..9, 0..8]));
    }

    #[test]
    fn a_rectangle_is_cut_out_and_pasted_at_its_place() {
        let rect = Rect::new([1..3, 2..4]);
        let image: Vec<u8> = (0..40).collect();
        let part = rect.cut(&image, 2, 5);
        assert_eq!(part, [14, 15, 16, 17, 24, 25, 26, 27]);
        let mut pasted = vec![0; 40];
        rect.paste(&part, &mut pasted, 2, 5);
        assert_eq!(rect.cut(&pasted, 2, 5), part);
        assert_eq!(pasted.iter().filter(|&&byte| byte == 0).count(), 32);
    }

    #[test]
    fn a_border_surrounds_the_frame() {
        let border = Border {
            left: 3,
            right: 4,
            top: 0,
            bottom: 5,
        };
        assert_eq!(border.around((10, 6)), (17, 11));
        assert_eq!(border.picture((10, 6)), Rect::new([0..6, 3..13]));
        assert!(!border.is_empty() && Border::default().is_empty());
    }
}
