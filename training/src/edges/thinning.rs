//! Edges of one pixel's width, and which of them stay.

/// Columns and rows to the neighbour in each direction.
const STEPS: [(isize, isize); 8] = [
    (1, 0),
    (1, 1),
    (0, 1),
    (-1, 1),
    (-1, 0),
    (-1, -1),
    (0, -1),
    (1, -1),
];
/// Above this a pixel may continue an edge, above the next one it begins one.
const WEAK: f32 = 0.1;
const STRONG: f32 = 0.2;

/// Returns 1 for pixels of edges and 0 for others: those whose gradient is longer than that of both
/// neighbours along its direction, and that are strong or connected with strong ones.
pub(super) fn edges(lengths: &[f32], angles: &[i8], width: usize) -> Vec<f32> {
    let neighbour = |place: usize, (right, down): (isize, isize)| {
        let (x, y) = (
            (place % width) as isize + right,
            (place / width) as isize + down,
        );
        let inside = (0..width as isize).contains(&x) && y >= 0;
        let at = y * width as isize + x;
        (inside && (at as usize) < lengths.len()).then_some(at as usize)
    };
    let length = |place: Option<usize>| place.map_or(0.0, |place| lengths[place]);
    let thin = |place: usize| {
        let direction = angles[place].rem_euclid(8) as usize;
        let sides = [direction, (direction + 4) % 8];
        let longer = |side: usize| lengths[place] > length(neighbour(place, STEPS[side]));
        if sides.into_iter().all(longer) {
            lengths[place]
        } else {
            0.0
        }
    };
    let thinned: Vec<f32> = (0..lengths.len()).map(thin).collect();
    let mut edges = vec![0.0; lengths.len()];
    let mut found: Vec<usize> = (0..lengths.len())
        .filter(|&place| thinned[place] > STRONG)
        .collect();
    while let Some(place) = found.pop() {
        edges[place] = 1.0;
        let around = STEPS.iter().filter_map(|&step| neighbour(place, step));
        found.extend(around.filter(|&place| thinned[place] > WEAK && edges[place] == 0.0));
    }
    edges
}
