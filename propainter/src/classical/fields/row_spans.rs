//! Planes that keep what lies near a hole: one span of each row.

use std::{mem::size_of, ops::Range};

/// A plane of which each row keeps one span.
pub struct RowSpans<T> {
    spans: Vec<RowSpan>,
    values: Vec<T>,
}

#[derive(Clone, Copy, Default)]
struct RowSpan {
    first: u32,
    length: u32,
    /// Where the span begins among the values.
    offset: usize,
}

impl<T: Copy> RowSpans<T> {
    /// Keeps, of each row of a plane, these columns.
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

    /// What is kept of a place, if anything is.
    #[inline]
    pub fn get(&self, x: usize, y: usize) -> Option<T> {
        let span = self.spans[y];
        let along = x.wrapping_sub(span.first as usize);
        (along < span.length as usize).then(|| self.values[span.offset + along])
    }

    /// The columns kept of a row, and what they hold.
    pub fn row(&self, y: usize) -> (Range<usize>, &[T]) {
        let span = self.spans[y];
        let (first, length) = (span.first as usize, span.length as usize);
        (first..first + length, &self.values[span.offset..][..length])
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> u64 {
        let bytes =
            self.spans.capacity() * size_of::<RowSpan>() + self.values.capacity() * size_of::<T>();
        bytes as u64
    }
}

/// The columns from the first to the last that are wanted.
pub fn enclosing_span(mut columns: Range<usize>, wanted: impl Fn(usize) -> bool) -> Range<usize> {
    let Some(first) = columns.clone().find(|&x| wanted(x)) else {
        return 0..0;
    };
    let last = columns.rfind(|&x| wanted(x)).unwrap_or(first);
    first..last + 1
}

/// The smallest span that holds both; an empty one holds nothing.
pub fn union(a: Range<usize>, b: &Range<usize>) -> Range<usize> {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => b.clone(),
        (_, true) => a,
        _ => a.start.min(b.start)..a.end.max(b.end),
    }
}

/// Spans of rows with `by` more on every side, in a plane of so many columns.
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
    fn a_row_keeps_its_span_and_nothing_else() {
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
    fn a_reach_goes_from_the_first_to_the_last() {
        assert_eq!(enclosing_span(2..10, |x| x == 4 || x == 7), 4..8);
        assert_eq!(enclosing_span(2..10, |_| false), 0..0);
    }

    #[test]
    fn spans_are_widened_on_every_side() {
        let spans = [0..0, 0..0, 4..6, 0..0, 9..10, 0..0, 0..0];
        let wide = dilated(&spans, 1, 10);
        assert_eq!(wide, [0..0, 3..7, 3..7, 3..10, 8..10, 8..10, 0..0]);
        assert_eq!(dilated(&spans, 0, 10), spans);
    }
}
