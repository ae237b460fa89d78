//! Finds the holes of a mask.

use crate::{Mask, Rect};

/// Side in pixels of the cells in which holes are searched for. Pixels nearer than a cell to each
/// other belong to one hole.
const CELL: usize = 16;

/// Returns the bounding boxes of a mask's holes, in the order of their first rows.
pub fn bounding_boxes(mask: &Mask) -> Vec<Rect> {
    let (width, height) = (mask.width(), mask.height());
    let (columns, rows) = (width.div_ceil(CELL), height.div_ceil(CELL));
    let mut cells: Vec<Option<Rect>> = vec![None; columns * rows];
    let rows_of_mask = mask.hole().chunks_exact(width).enumerate();
    // Searching whole rows is faster than testing parts one by one.
    for (y, row) in rows_of_mask.filter(|(_, row)| row.contains(&1)) {
        for (column, part) in row.chunks(CELL).enumerate() {
            let (Some(first), Some(last)) = (
                part.iter().position(|&hole| hole == 1),
                part.iter().rposition(|&hole| hole == 1),
            ) else {
                continue;
            };
            let x = column * CELL;
            let found = Rect::new([y..y + 1, x + first..x + last + 1]);
            let cell = &mut cells[y / CELL * columns + column];
            *cell = Some(found.union(&cell.take().unwrap_or_default()));
        }
    }
    let mut holes = Vec::new();
    let mut edge = Vec::new();
    for start in 0..cells.len() {
        let Some(mut hole) = cells[start].take() else {
            continue;
        };
        edge.push(start);
        while let Some(cell) = edge.pop() {
            let (row, column) = (cell / columns, cell % columns);
            for row in row.saturating_sub(1)..rows.min(row + 2) {
                for column in column.saturating_sub(1)..columns.min(column + 2) {
                    let next = row * columns + column;
                    if let Some(found) = cells[next].take() {
                        hole = hole.union(&found);
                        edge.push(next);
                    }
                }
            }
        }
        holes.push(hole);
    }
    holes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(x: usize, y: usize, width: usize, height: usize) -> Rect {
        Rect::new([y..y + height, x..x + width])
    }

    #[test]
    fn holes_apart_have_boxes_of_their_own_and_near_ones_share() {
        let mut mask = Mask::empty(203, 101);
        assert_eq!(bounding_boxes(&mask), []);
        for (x, y, width, height) in [
            (3, 2, 5, 4),
            (20, 9, 2, 2),
            (150, 80, 53, 21),
            (90, 50, 1, 1),
        ] {
            mask.add_rectangle(x, y, width, height);
        }
        let found = bounding_boxes(&mask);
        assert_eq!(
            found,
            [rect(3, 2, 19, 9), rect(90, 50, 1, 1), rect(150, 80, 53, 21)]
        );
    }

    #[test]
    fn every_hole_is_in_a_box() {
        let mut mask = Mask::empty(97, 64);
        for i in 0..40 {
            mask.add_rectangle(i * 37 % 97, i * 23 % 64, 3, 2);
        }
        let found = bounding_boxes(&mask);
        for (at, _) in mask
            .hole()
            .iter()
            .enumerate()
            .filter(|(_, hole)| **hole == 1)
        {
            let pixel = rect(at % 97, at / 97, 1, 1);
            assert!(found.iter().any(|hole| hole.intersection(&pixel) == pixel));
        }
    }
}
