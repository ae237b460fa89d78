//! Where the holes of a mask are.

use crate::Mask;

/// Side of the cells in which holes are looked for: what is nearer than a cell is one hole.
const CELL: usize = 16;

/// A rectangle of pixels, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

impl Rect {
    pub fn right(&self) -> usize {
        self.x + self.width
    }

    pub fn bottom(&self) -> usize {
        self.y + self.height
    }

    pub fn area(&self) -> usize {
        self.width * self.height
    }

    /// The smallest rectangle around both.
    pub fn around(&self, other: &Rect) -> Rect {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        Rect {
            x,
            y,
            width: self.right().max(other.right()) - x,
            height: self.bottom().max(other.bottom()) - y,
        }
    }

    /// Pixels of both.
    pub fn shared(&self, other: &Rect) -> usize {
        let length = |a: usize, a_end: usize, b: usize, b_end: usize| {
            a_end.min(b_end).saturating_sub(a.max(b))
        };
        length(self.x, self.right(), other.x, other.right())
            * length(self.y, self.bottom(), other.y, other.bottom())
    }

    /// With so many pixels more on every side, within a picture of this size.
    pub fn grown(&self, by: usize, (width, height): (usize, usize)) -> Rect {
        let (x, y) = (self.x.saturating_sub(by), self.y.saturating_sub(by));
        Rect {
            x,
            y,
            width: self.right().saturating_add(by).min(width) - x,
            height: self.bottom().saturating_add(by).min(height) - y,
        }
    }
}

/// The bounding boxes of a mask's holes, in the order of their first rows.
pub fn holes(mask: &Mask) -> Vec<Rect> {
    let (width, height) = (mask.width(), mask.height());
    let (columns, rows) = (width.div_ceil(CELL), height.div_ceil(CELL));
    let mut cells: Vec<Option<Rect>> = vec![None; columns * rows];
    for (y, row) in mask.hole().chunks_exact(width).enumerate() {
        for (column, part) in row.chunks(CELL).enumerate() {
            let (Some(first), Some(last)) = (
                part.iter().position(|&hole| hole == 1),
                part.iter().rposition(|&hole| hole == 1),
            ) else {
                continue;
            };
            let found = Rect {
                x: column * CELL + first,
                y,
                width: last + 1 - first,
                height: 1,
            };
            let cell = &mut cells[y / CELL * columns + column];
            *cell = Some(cell.map_or(found, |cell| cell.around(&found)));
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
                        hole = hole.around(&found);
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
        Rect {
            x,
            y,
            width,
            height,
        }
    }

    #[test]
    fn holes_apart_have_boxes_of_their_own_and_near_ones_share() {
        let mut mask = Mask::empty(203, 101);
        assert_eq!(holes(&mask), []);
        for (x, y, width, height) in [
            (3, 2, 5, 4),
            (20, 9, 2, 2),
            (150, 80, 53, 21),
            (90, 50, 1, 1),
        ] {
            mask.add_rectangle(x, y, width, height);
        }
        let found = holes(&mask);
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
        let found = holes(&mask);
        for (at, _) in mask
            .hole()
            .iter()
            .enumerate()
            .filter(|(_, hole)| **hole == 1)
        {
            let pixel = rect(at % 97, at / 97, 1, 1);
            assert!(found.iter().any(|hole| hole.shared(&pixel) == 1));
        }
    }

    #[test]
    fn rectangles_join_meet_and_grow_within_the_picture() {
        let (a, b) = (rect(2, 3, 4, 5), rect(5, 1, 10, 4));
        assert_eq!(a.around(&b), rect(2, 1, 13, 7));
        assert_eq!((a.shared(&b), a.shared(&rect(6, 3, 1, 1))), (2, 0));
        assert_eq!(a.grown(3, (8, 9)), rect(0, 0, 8, 9));
    }
}
