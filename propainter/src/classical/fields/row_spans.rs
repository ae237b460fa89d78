//! Sparse planes that store one span of columns per row, near a hole.

use std::{mem::size_of, ops::Range};

/// A sparse plane that stores one span of columns per row.
pub struct RowSpans<T> {
    spans: Vec<RowSpan>,
    values: Vec<T>,
}

#[derive(Clone, Copy, Default)]
struct RowSpan {
    first: u32,
    length: u32,
    /// Index of the span's first value.
    offset: usize,
}

impl<T: Copy> RowSpans<T> {
    /// Stores the given columns of each row, with the values that `value` returns for (column,
    /// row).
    pub fn new(
        height: usize,
        columns: impl Fn(usize) -> Range<usize>,
        mut value: impl FnMut(usize, usize) -> T,
    ) -> Self {
        let mut offset = 0;
        let spans = (0..height).map(|y| {
            let columns = columns(y);
            let span = RowSpan {
                first: columns.start as u32,
                length: columns.len() as u32,
                offset,
            };
            offset += columns.len();
            span
        });
        let spans: Vec<_> = spans.collect();
        let mut values = Vec::with_capacity(offset);
        for (y, span) in spans.iter().enumerate() {
            let first = span.first as usize;
            values.extend((first..first + span.length as usize).map(|x| value(x, y)));
        }
        Self { spans, values }
    }

    /// Returns the value at a position, or `None` outside the stored span.
    #[inline]
    pub fn get(&self, x: usize, y: usize) -> Option<T> {
        let span = self.spans[y];
        let along = x.wrapping_sub(span.first as usize);
        (along < span.length as usize).then(|| self.values[span.offset + along])
    }

    /// Returns the stored columns of a row and their values.
    pub fn row(&self, y: usize) -> (Range<usize>, &[T]) {
        let span = self.spans[y];
        let (first, length) = (span.first as usize, span.length as usize);
        (first..first + length, &self.values[span.offset..][..length])
    }

    /// Returns whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns the bytes held on the heap.
    pub fn bytes(&self) -> u64 {
        let bytes =
            self.spans.capacity() * size_of::<RowSpan>() + self.values.capacity() * size_of::<T>();
        bytes as u64
    }
}

/// Returns the span from the first to the last wanted column.
pub fn enclosing_span(mut columns: Range<usize>, wanted: impl Fn(usize) -> bool) -> Range<usize> {
    let Some(first) = columns.clone().find(|&x| wanted(x)) else {
        return 0..0;
    };
    let last = columns.rfind(|&x| wanted(x)).unwrap_or(first);
    first..last + 1
}

/// Returns the smallest span that contains both. An empty span contributes nothing.
pub fn union(a: Range<usize>, b: &Range<usize>) -> Range<usize> {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => b.clone(),
        (_, true) => a,
        _ => a.start.min(b.start)..a.end.max(b.end),
    }
}

/// Dilates spans of rows by `by` on every side, in a plane with the given number of columns.
pub fn dilated(spans: &[Range<usize>], by: usize, columns: usize) -> Vec<Range<usize>> {
    let dilated = |row: usize| {
        let near = &spans[row.saturating_sub(by)..(row + by + 1).min(spans.len())];
        let span = near.iter().fold(0..0, union);
        match span.is_empty() {
            true => span,
            false => span.start.saturating_sub(by)..(span.end + by).min(columns),
        }
    };
    (0..spans.len()).map(dilated).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_stores_its_span_and_nothing_else() {
        let rows = RowSpans::new(4, |y| y..2 * y, |x, y| 10 * y + x);
        for y in 0..4 {
            for x in 0..9 {
                let kept = (y..2 * y).contains(&x);
                assert_eq!(rows.get(x, y), kept.then_some(10 * y + x), "{x}, {y}");
            }
        }
        let (columns, values) = rows.row(3);
        assert_eq!((columns, values), (3..6, &[33, 34, 35][..]));
    }

    #[test]
    fn a_span_reaches_from_the_first_to_the_last_wanted_column() {
        assert_eq!(enclosing_span(2..10, |x| x == 4 || x == 7), 4..8);
        assert_eq!(enclosing_span(2..10, |_| false), 0..0);
    }

    #[test]
    fn spans_are_dilated_on_every_side() {
        let spans = [0..0, 0..0, 4..6, 0..0, 9..10, 0..0, 0..0];
        let wide = dilated(&spans, 1, 10);
        assert_eq!(wide, [0..0, 3..7, 3..7, 3..10, 8..10, 8..10, 0..0]);
        assert_eq!(dilated(&spans, 0, 10), spans);
    }
}
