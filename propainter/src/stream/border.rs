//! The flow near a border: RAFT sees the black of the border, so its flow is wrong on both sides of
//! the picture's edge, and is completed there too.

use crate::{Mask, Rect};

/// Pixels of the picture whose flow is completed beside a wide border.
const MARGIN: usize = 4;
/// Largest width of a border without such a margin, in pixels at processing size.
const NARROW: usize = 10;

/// The holes of flows.
#[derive(Debug)]
pub struct FlowHoles {
    /// The rectangle of the picture if there is a border around it.
    picture: Option<Rect>,
    /// The last hole with its flow hole; frames in sequence often have the same.
    last: Option<(Mask, Mask)>,
}

impl FlowHoles {
    pub fn new(picture: Option<Rect>) -> Self {
        let last = None;
        Self { picture, last }
    }

    /// Returns the pixels whose flow is completed in a frame with this hole: the hole and, beside
    /// each side of the border that is wider than [`NARROW`], a margin of the picture.
    pub fn of(&mut self, hole: &Mask) -> Mask {
        let Some(picture) = &self.picture else {
            return hole.clone();
        };
        let last = self.last.take().filter(|(last, _)| last == hole);
        let (_, flow_hole) = self.last.insert(last.unwrap_or_else(|| {
            let size = [hole.height(), hole.width()];
            (hole.clone(), with_margin(hole.clone(), picture, size))
        }));
        flow_hole.clone()
    }
}

fn with_margin(mut hole: Mask, picture: &Rect, size: [usize; 2]) -> Mask {
    let margin = |border: usize| if border > NARROW { MARGIN } else { 0 };
    let known = picture.map(|range, axis| {
        let start = range.start + margin(range.start);
        start
            ..range
                .end
                .saturating_sub(margin(size[axis] - range.end))
                .max(start)
    });
    let [height, width] = size;
    let mut add = |x: usize, y: usize, width: usize, height: usize| {
        hole.add_rectangle(x as i64, y as i64, width as u64, height as u64);
    };
    add(0, 0, width, known.rows.start);
    add(0, known.rows.end, width, height);
    add(0, 0, known.columns.start, height);
    add(known.columns.end, 0, width, height);
    hole
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the flow hole of a frame whose border has these widths: left, right, top, bottom.
    fn flow_hole([left, right, top, bottom]: [usize; 4]) -> (Mask, Rect) {
        let picture = Rect::new([top..top + 24, left..left + 32]);
        let (width, height) = (left + 32 + right, top + 24 + bottom);
        let mut outside = vec![1; width * height];
        picture.paste(&[0; 24 * 32], &mut outside, 1, width);
        let hole = Mask::from_luma(width, height, outside);
        let mut holes = FlowHoles::new(Some(picture.clone()));
        assert_eq!(holes.of(&hole), holes.of(&hole));
        (holes.of(&hole), picture)
    }

    #[test]
    fn only_the_sides_of_a_wide_border_have_a_margin() {
        for (border, margins) in [
            ([12, 12, 0, 0], [4, 4, 0, 0]),
            ([4, 4, 12, 12], [0, 0, 4, 4]),
            ([10, 11, 0, 40], [0, 4, 0, 4]),
            ([0, 0, 0, 8], [0; 4]),
        ] {
            let (hole, picture) = flow_hole(border);
            let [left, right, top, bottom] = margins;
            let known = Rect::new([
                picture.rows.start + top..picture.rows.end - bottom,
                picture.columns.start + left..picture.columns.end - right,
            ]);
            for (at, &hole) in hole.hole().iter().enumerate() {
                let width = border[0] + 32 + border[1];
                let inside = known.index([at / width, at % width]).is_some();
                assert_eq!(hole == 0, inside, "{border:?}: {at}");
            }
        }
    }

    #[test]
    fn without_a_border_the_hole_is_the_flow_hole() {
        let mut hole = Mask::empty(16, 8);
        hole.add_rectangle(3, 2, 5, 4);
        assert_eq!(FlowHoles::new(None).of(&hole), hole);
    }
}
