//! The rows and columns of a frame that its hole lies in.

use std::ops::Range;

use propainter::InpaintedFrame;

/// Returns the filled pixels and the mask of these columns of row `y`.
pub fn hole_row<'a>(
    done: &'a InpaintedFrame,
    y: usize,
    columns: &Range<usize>,
) -> (&'a [[u8; 3]], &'a [u8]) {
    let first = y * done.hole.width();
    let pixels = first + columns.start..first + columns.end;
    let (rgb, _) = done.frame.rgb().as_chunks::<3>();
    (&rgb[pixels.clone()], &done.hole.hole()[pixels])
}

/// Returns the rows that the hole lies in: the row, its columns, and the [`hole_row`].
pub fn holes(
    done: &InpaintedFrame,
) -> impl Iterator<Item = (usize, Range<usize>, &[[u8; 3]], &[u8])> {
    let area = done.hole.bounding_box();
    area.rows.map(move |y| {
        let (fill, hole) = hole_row(done, y, &area.columns);
        (y, area.columns.clone(), fill, hole)
    })
}
