//! Parts of a picture.

use std::ops::Range;

/// A rectangle of a picture, in its rows and columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Area {
    pub rows: Range<usize>,
    pub columns: Range<usize>,
}

impl Area {
    /// All of a picture of so many rows and columns.
    pub fn whole([rows, columns]: [usize; 2]) -> Self {
        Self::of([0..rows, 0..columns])
    }

    /// These rows and columns.
    pub fn of([rows, columns]: [Range<usize>; 2]) -> Self {
        Self { rows, columns }
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() || self.columns.is_empty()
    }

    /// Rows and columns.
    pub fn size(&self) -> [usize; 2] {
        [self.rows.len(), self.columns.len()]
    }

    pub fn pixels(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// The smallest area that holds both; an empty one holds nothing.
    pub fn union(&self, other: &Self) -> Self {
        let join = |a: &Range<usize>, b: &Range<usize>| a.start.min(b.start)..a.end.max(b.end);
        match (self.is_empty(), other.is_empty()) {
            (true, _) => other.clone(),
            (_, true) => self.clone(),
            _ => Self::of([
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
        Self::of([
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

    /// What `axis` makes of the rows and of the columns.
    pub fn map(&self, axis: impl Fn(Range<usize>, usize) -> Range<usize>) -> Self {
        Self::of([axis(self.rows.clone(), 0), axis(self.columns.clone(), 1)])
    }

    /// Where a place, its row and column, comes in the area, if it lies there.
    pub fn index(&self, [row, column]: [usize; 2]) -> Option<usize> {
        let inside = self.rows.contains(&row) && self.columns.contains(&column);
        inside.then(|| (row - self.rows.start) * self.columns.len() + column - self.columns.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_join_meet_and_grow_within_the_image() {
        let (a, b) = (Area::of([3..8, 2..6]), Area::of([1..5, 5..15]));
        assert_eq!(a.union(&b), Area::of([1..8, 2..15]));
        assert_eq!(a.intersection(&b), Area::of([3..5, 5..6]));
        assert!(a.intersection(&Area::of([3..4, 6..7])).is_empty());
        assert_eq!(a.grown(3, [9, 8]), Area::of([0..9, 0..8]));
    }
}
