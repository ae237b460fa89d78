//! The coarse grid on which fields are sampled: one node at the centre of every cell of 4×4 pixels.

/// Side of a cell in pixels, which is the distance between nodes.
pub const CELL: usize = 4;
/// Position of node 0 in pixels: the centre of its cell.
pub const CELL_CENTRE: f32 = 1.5;

/// Interpolates a field bilinearly at a pixel position. `at` returns the value of the node at
/// (column, row).
#[inline(always)]
pub fn bilinear<const C: usize>(
    (width, height): (usize, usize),
    x: f32,
    y: f32,
    at: impl Fn(usize, usize) -> [f32; C],
) -> [f32; C] {
    let (x0, x1, u) = interpolation_nodes(x, width);
    let (y0, y1, v) = interpolation_nodes(y, height);
    let (a, b, c, d) = (at(x0, y0), at(x1, y0), at(x0, y1), at(x1, y1));
    std::array::from_fn(|i| {
        let above = a[i] + u * (b[i] - a[i]);
        let below = c[i] + u * (d[i] - c[i]);
        above + v * (below - above)
    })
}

/// Returns the two nodes around a pixel position on one axis, and the weight of the second.
#[inline]
pub fn interpolation_nodes(pixel: f32, nodes: usize) -> (usize, usize, f32) {
    let last = nodes - 1;
    let t = ((pixel - CELL_CENTRE) * (1.0 / CELL as f32)).clamp(0.0, last as f32);
    // The conversion by way of `i32` is a single instruction.
    let first = (t as i32 as usize).min(last);
    (first, (first + 1).min(last), t - first as f32)
}

/// Returns the pixel position of a node.
pub fn node_position(node: usize, width: usize) -> (f32, f32) {
    let at = |n: usize| (n * CELL) as f32 + CELL_CENTRE;
    (at(node % width), at(node / width))
}

/// Calls `visit` with each of the four neighbours of node `i` that lies within the grid.
#[inline(always)]
pub fn for_each_neighbour(i: usize, width: usize, height: usize, mut visit: impl FnMut(usize)) {
    let (x, y) = (i % width, i / width);
    if x > 0 {
        visit(i - 1);
    }
    if x + 1 < width {
        visit(i + 1);
    }
    if y > 0 {
        visit(i - width);
    }
    if y + 1 < height {
        visit(i + width);
    }
}

/// Marks all nodes within `radius` of a marked one (dilation with a square).
pub fn dilate(marked: &[bool], width: usize, height: usize, radius: usize) -> Vec<bool> {
    let mut out = vec![false; marked.len()];
    let mut wide = vec![false; width];
    for (y, row) in marked.chunks_exact(width).enumerate() {
        if !row.contains(&true) {
            continue;
        }
        wide.fill(false);
        for x in (0..width).filter(|&x| row[x]) {
            let columns = x.saturating_sub(radius)..(x + radius + 1).min(width);
            wide[columns].fill(true);
        }
        for near in y.saturating_sub(radius)..(y + radius + 1).min(height) {
            let out = &mut out[near * width..][..width];
            out.iter_mut()
                .zip(&wide)
                .for_each(|(out, wide)| *out |= wide);
        }
    }
    out
}

/// Returns the floor of a value that fits into 32 bits, without calling a library function.
#[inline(always)]
pub fn floor(x: f32) -> isize {
    let whole = x as i32;
    whole as isize - isize::from(x < whole as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floor_equals_the_library_function() {
        for x in [-3.5f32, -3.0, -0.25, 0.0, 0.75, 2.0, 1e6] {
            assert_eq!(floor(x), x.floor() as isize);
        }
    }
}
