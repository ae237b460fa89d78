//! A hole in pieces: each is filled by itself, looking no further than its own surroundings.

use crate::{
    Area, Mask,
    classical::fields::grid::{CELL, dilate},
};

/// Nodes of known picture around a piece that tell where it goes.
const BOUNDARY: usize = 4;
/// Pieces nearer than this many nodes are one.
const MERGE_DISTANCE: usize = 2;

/// One piece of the hole and its surroundings, a rectangle of nodes.
pub struct Region {
    /// First node of the rectangle.
    pub x: usize,
    pub y: usize,
    /// Size in nodes.
    pub width: usize,
    pub height: usize,
    /// Nodes (by place in the rectangle) whose cell has pixels of this piece.
    pub cells: Vec<u32>,
    /// Nodes near the piece, those at its rim included.
    pub boundary: Vec<u32>,
}

impl Region {
    /// Upper left pixel of a node's cell.
    pub fn cell_origin(&self, node: u32) -> (usize, usize) {
        let node = node as usize;
        (
            (self.x + node % self.width) * CELL,
            (self.y + node / self.width) * CELL,
        )
    }

    /// The part that has cells, in pixels.
    pub fn bounds(&self) -> Area {
        let corners = || self.cells.iter().map(|&cell| self.cell_origin(cell));
        let least = |axis: fn((usize, usize)) -> usize| corners().map(axis).min().unwrap_or(0);
        let most =
            |axis: fn((usize, usize)) -> usize| corners().map(axis).max().unwrap_or(0) + CELL;
        Area::of([least(|c| c.1)..most(|c| c.1), least(|c| c.0)..most(|c| c.0)])
    }
}

/// The pieces of a hole whose sides are multiples of the cell.
pub fn split(hole: &Mask) -> Vec<Region> {
    let (width, height) = (hole.width() / CELL, hole.height() / CELL);
    let mut touched = vec![false; width * height];
    for (y, row) in hole.hole().chunks_exact(hole.width()).enumerate() {
        let touched = &mut touched[y / CELL * width..][..width];
        for (cell, out) in row.chunks_exact(CELL).zip(touched) {
            *out |= cell.contains(&1);
        }
    }
    let joined = dilate(&touched, width, height, MERGE_DISTANCE);
    let mut visited = vec![false; width * height];
    let mut regions = Vec::new();
    for start in 0..width * height {
        if touched[start] && !visited[start] {
            let component = component(start, &joined, &mut visited, width, height);
            let own = component.into_iter().filter(|&i| touched[i]).collect();
            regions.push(region(own, width, height));
        }
    }
    regions
}

/// All marked nodes connected with `start` by their sides.
fn component(
    start: usize,
    marked: &[bool],
    visited: &mut [bool],
    width: usize,
    height: usize,
) -> Vec<usize> {
    visited[start] = true;
    let mut component = vec![start];
    let mut next = 0;
    while let Some(&i) = component.get(next) {
        next += 1;
        let (x, y) = (i % width, i / width);
        let neighbours = [
            (x > 0).then(|| i - 1),
            (x + 1 < width).then_some(i + 1),
            (y > 0).then(|| i - width),
            (y + 1 < height).then_some(i + width),
        ];
        for j in neighbours.into_iter().flatten() {
            if marked[j] && !visited[j] {
                visited[j] = true;
                component.push(j);
            }
        }
    }
    component
}

fn region(own: Vec<usize>, width: usize, height: usize) -> Region {
    let padded_range = |values: &mut dyn Iterator<Item = usize>, limit: usize| {
        let (low, high) = values.fold((limit, 0), |(low, high), v| (low.min(v), high.max(v)));
        low.saturating_sub(BOUNDARY)..(high + BOUNDARY + 1).min(limit)
    };
    let columns = padded_range(&mut own.iter().map(|i| i % width), width);
    let rows = padded_range(&mut own.iter().map(|i| i / width), height);
    let size = (columns.len(), rows.len());
    let mut touched = vec![false; size.0 * size.1];
    let mut cells: Vec<u32> = own
        .iter()
        .map(|i| (i / width - rows.start) * size.0 + i % width - columns.start)
        .inspect(|&local| touched[local] = true)
        .map(|local| local as u32)
        .collect();
    cells.sort_unstable();
    let near = dilate(&touched, size.0, size.1, BOUNDARY);
    let boundary = (0..near.len() as u32).filter(|&i| near[i as usize]);
    Region {
        x: columns.start,
        y: rows.start,
        width: size.0,
        height: size.1,
        cells,
        boundary: boundary.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_holes_are_pieces_of_their_own_and_near_ones_one() {
        let mut hole = Mask::empty(128, 64);
        hole.add_rectangle(8, 8, 16, 9);
        hole.add_rectangle(90, 40, 3, 3);
        assert_eq!(split(&hole).len(), 2);
        hole.add_rectangle(30, 10, 5, 5);
        assert_eq!(split(&hole).len(), 2);
        assert!(split(&Mask::empty(16, 16)).is_empty());
    }

    #[test]
    fn every_pixel_of_the_hole_is_in_one_cell() {
        let mut hole = Mask::empty(64, 48);
        for (x, y, w, h) in [
            (0, 0, 5, 3),
            (30, 20, 1, 1),
            (50, 40, 14, 8),
            (20, 5, 2, 40),
        ] {
            hole.add_rectangle(x, y, w, h);
        }
        let mut count = vec![0; 64 * 48];
        for region in split(&hole) {
            for &cell in &region.cells {
                let (x, y) = region.cell_origin(cell);
                for p in 0..CELL * CELL {
                    count[(y + p / CELL) * 64 + x + p % CELL] += 1;
                }
            }
        }
        for (&hole, count) in hole.hole().iter().zip(count) {
            assert!(count <= 1 && count >= hole);
        }
    }
}
