//! Splits a hole into regions. Each is filled on its own and looks only at its surroundings.

use crate::{
    Mask, Rect,
    classical::fields::grid::{CELL, dilate},
};

/// Width in nodes of the known surroundings that reveal the motion of a region.
const BOUNDARY: usize = 4;
/// Largest distance in nodes at which two components form one region.
const MERGE_DISTANCE: usize = 2;

/// A region of the hole with its surroundings: a rectangle of nodes.
pub struct Region {
    /// First column of the rectangle, in nodes of the frame.
    pub x: usize,
    /// First row of the rectangle, in nodes of the frame.
    pub y: usize,
    /// Width in nodes.
    pub width: usize,
    /// Height in nodes.
    pub height: usize,
    /// Nodes, as indices into the rectangle, whose cells contain pixels of this region.
    pub cells: Vec<u32>,
    /// Nodes in or near the region, as indices into the rectangle.
    pub boundary: Vec<u32>,
}

impl Region {
    /// Returns the upper left pixel of a node's cell.
    pub fn cell_origin(&self, node: u32) -> (usize, usize) {
        let node = node as usize;
        (
            (self.x + node % self.width) * CELL,
            (self.y + node / self.width) * CELL,
        )
    }

    /// Returns the bounding rectangle of the cells, in pixels.
    pub fn bounds(&self) -> Rect {
        let corners = || self.cells.iter().map(|&cell| self.cell_origin(cell));
        let least = |axis: fn((usize, usize)) -> usize| corners().map(axis).min().unwrap_or(0);
        let most =
            |axis: fn((usize, usize)) -> usize| corners().map(axis).max().unwrap_or(0) + CELL;
        Rect::new([least(|c| c.1)..most(|c| c.1), least(|c| c.0)..most(|c| c.0)])
    }
}

/// Splits a hole into regions. The sides of the mask are multiples of a cell.
pub fn split(hole: &Mask) -> Vec<Region> {
    let (width, height) = (hole.width() / CELL, hole.height() / CELL);
    let mut touched = vec![false; width * height];
    let rows = hole.hole().chunks_exact(hole.width()).enumerate();
    // Searching whole rows is faster than testing cells one by one.
    for (y, row) in rows.filter(|(_, row)| row.contains(&1)) {
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

/// Returns all marked nodes that are 4-connected with `start`.
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

/// Builds the region of the given nodes of a `width × height` grid.
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
    fn distant_components_are_separate_regions_and_near_ones_are_merged() {
        let mut hole = Mask::empty(128, 64);
        hole.add_rectangle(8, 8, 16, 9);
        hole.add_rectangle(90, 40, 3, 3);
        assert_eq!(split(&hole).len(), 2);
        hole.add_rectangle(30, 10, 5, 5);
        assert_eq!(split(&hole).len(), 2);
        assert!(split(&Mask::empty(16, 16)).is_empty());
    }

    #[test]
    fn every_pixel_of_the_hole_is_in_exactly_one_cell() {
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
