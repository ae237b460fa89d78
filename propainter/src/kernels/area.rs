//! Parts of a picture.

use std::ops::Range;

use burn::tensor::Tensor;

use super::toom_cook::OUTPUTS;

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

    /// What `axis` makes of the rows and of the columns.
    pub fn map(&self, axis: impl Fn(Range<usize>, usize) -> Range<usize>) -> Self {
        Self::of([axis(self.rows.clone(), 0), axis(self.columns.clone(), 1)])
    }

    /// What has to be known of a picture of `size` for this area of what `layers` convolutions
    /// with three rows and columns make of it, one after the other. The CPU's convolutions compute
    /// tiles of [`OUTPUTS`] and round all of a tile by all that it reads: where tiles begin as in
    /// the whole picture and read what they read there, the last bit is the same. Next to a cut
    /// they meet zeros in place of neighbours; those outputs are wrong, and nobody reads them.
    /// Ends are even, for [`upsample_area`](super::upsample::upsample_area).
    pub fn read_by(&self, layers: usize, size: [usize; 2]) -> Self {
        self.map(|lines, axis| {
            let (mut start, mut end) = (lines.start, lines.end);
            for _ in 0..layers {
                start = (start / OUTPUTS * OUTPUTS).saturating_sub(1);
                end = (end.next_multiple_of(OUTPUTS) + 1).min(size[axis]);
            }
            start / OUTPUTS * OUTPUTS..end.next_multiple_of(2).min(size[axis])
        })
    }

    /// The area of `x`, whose axes `axis` and the next are the picture's area `held`.
    pub fn cut(&self, x: Tensor<4>, axis: usize, held: &Self) -> Tensor<4> {
        let narrow = |x: Tensor<4>, axis, own: &Range<usize>, held: &Range<usize>| {
            if own == held {
                x
            } else {
                x.narrow(axis, own.start - held.start, own.len())
            }
        };
        let x = narrow(x, axis, &self.rows, &held.rows);
        narrow(x, axis + 1, &self.columns, &held.columns)
    }
}
