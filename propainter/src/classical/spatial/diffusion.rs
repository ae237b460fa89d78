//! Diffusion fill: harmonic interpolation from the border of a hole by multigrid relaxation. It
//! takes milliseconds, for frames that cannot wait for a better fill.

use crate::{Frame, Mask};

/// Sweeps on the finest level. Each coarser level doubles them, because a sweep carries colours
/// over a few cells only.
const SWEEPS: usize = 8;
/// Largest number of sweeps on a level.
const MAX_SWEEPS: usize = 64;
/// Factor of successive over-relaxation, which speeds up convergence.
const OVER_RELAXATION: f32 = 1.6;

/// Red, green, blue and padding, which fill four vector lanes.
type Colour = [f32; 4];

/// Fills the hole of a frame by harmonic interpolation; nothing outside it changes.
///
/// Each connected component is filled on its own from the pixels around it. A hole that covers the
/// whole frame stays unfilled. `hole` is already dilated; it is resized if its size differs from
/// the frame's.
pub fn diffusion_fill(frame: &Frame, hole: &Mask) -> Frame {
    let size @ (width, height) = (frame.width(), frame.height());
    let resized = ((hole.width(), hole.height()) != size).then(|| hole.resized(width, height));
    let hole = resized.as_ref().unwrap_or(hole).hole();
    let mut out = frame.clone();
    let mut unvisited = hole.to_vec();
    for row in 0..height {
        let mut from = row * width;
        let end = from + width;
        while let Some(found) = unvisited[from..end].iter().position(|&hole| hole == 1) {
            from += found;
            let component = take_component(from, &mut unvisited, size);
            if component.len() == width * height {
                return out;
            }
            HoleComponent::new(frame, hole, &component).fill(&mut out);
        }
    }
    out
}

/// Returns all pixels of the hole that are 4-connected with `start`, and removes them from
/// `unvisited`.
fn take_component(
    start: usize,
    unvisited: &mut [u8],
    (width, height): (usize, usize),
) -> Vec<usize> {
    unvisited[start] = 0;
    let mut component = vec![start];
    let mut next = 0;
    while let Some(&i) = component.get(next) {
        next += 1;
        let (x, y) = (i % width, i / width);
        let mut take = |within: bool, j: usize| {
            if within && unvisited[j] == 1 {
                unvisited[j] = 0;
                component.push(j);
            }
        };
        take(x > 0, i.wrapping_sub(1));
        take(x + 1 < width, i + 1);
        take(y > 0, i.wrapping_sub(width));
        take(y + 1 < height, i + width);
    }
    component
}

/// A connected component of the hole with one pixel of surroundings on every side.
struct HoleComponent<'a> {
    /// Pixels of the component in the frame, in the order of the level's free cells.
    component: &'a [usize],
    level: DiffusionLevel,
}

/// A multigrid level: a rectangle of cells with an outer ring of empty ones, so that each cell has
/// four neighbours.
struct DiffusionLevel {
    /// Width without the outer ring.
    width: usize,
    /// Height without the outer ring.
    height: usize,
    /// Colours, zero where unknown.
    colours: Vec<Colour>,
    /// Kind of each cell: [`EMPTY`], [`KNOWN`] or [`FREE`].
    kinds: Vec<u8>,
    /// Indices of the free cells.
    free: Vec<u32>,
}

/// A cell of another component or outside the frame.
const EMPTY: u8 = 0;
/// A cell with a fixed colour.
const KNOWN: u8 = 1;
/// A cell to be filled.
const FREE: u8 = 2;

impl<'a> HoleComponent<'a> {
    fn new(frame: &Frame, hole: &[u8], component: &'a [usize]) -> Self {
        let (width, height) = (frame.width(), frame.height());
        let padded_range = |values: &mut dyn Iterator<Item = usize>, limit: usize| {
            let (low, high) = values.fold((limit, 0), |(low, high), v| (low.min(v), high.max(v)));
            low.saturating_sub(1)..(high + 2).min(limit)
        };
        let columns = padded_range(&mut component.iter().map(|i| i % width), width);
        let rows = padded_range(&mut component.iter().map(|i| i / width), height);
        let mut level = DiffusionLevel::empty(columns.len(), rows.len());
        for y in rows.clone() {
            for x in columns.clone().filter(|x| hole[y * width + x] == 0) {
                let at = level.index(x - columns.start, y - rows.start);
                let rgb = &frame.rgb()[3 * (y * width + x)..][..3];
                level.colours[at] = [rgb[0], rgb[1], rgb[2], 0].map(f32::from);
                level.kinds[at] = KNOWN;
            }
        }
        for i in component {
            let at = level.index(i % width - columns.start, i / width - rows.start);
            level.kinds[at] = FREE;
            level.free.push(at as u32);
        }
        Self { component, level }
    }

    fn fill(mut self, out: &mut Frame) {
        self.level.solve(SWEEPS);
        let rgb = out.rgb_mut();
        for (&i, &at) in self.component.iter().zip(&self.level.free) {
            let colour = self.level.colours[at as usize];
            for (byte, value) in rgb[3 * i..3 * i + 3].iter_mut().zip(colour) {
                *byte = (value + 0.5).clamp(0.0, 255.0) as u8;
            }
        }
    }
}

impl DiffusionLevel {
    fn empty(width: usize, height: usize) -> Self {
        let cells = (width + 2) * (height + 2);
        Self {
            width,
            height,
            colours: vec![[0.0; 4]; cells],
            kinds: vec![EMPTY; cells],
            free: Vec::new(),
        }
    }

    fn stride(&self) -> usize {
        self.width + 2
    }

    fn index(&self, x: usize, y: usize) -> usize {
        (y + 1) * self.stride() + x + 1
    }

    /// Fills the free cells: starts from the solution of the next coarser level, then relaxes.
    fn solve(&mut self, sweeps: usize) {
        if self.free.is_empty() {
            return;
        }
        let mut coarse = self.coarsened();
        coarse.solve((2 * sweeps).min(MAX_SWEEPS));
        self.prolong(&coarse);
        let stride = self.stride();
        let neighbours = |at: usize| [at - 1, at + 1, at - stride, at + stride];
        // In row order, neighbours are close in memory and colours propagate along the rows.
        let mut order = self.free.clone();
        order.sort_unstable();
        let cells: Vec<(usize, f32)> = order
            .into_iter()
            .map(|at| {
                let at = at as usize;
                let known = neighbours(at)
                    .into_iter()
                    .filter(|&j| self.kinds[j] != EMPTY);
                (at, OVER_RELAXATION / known.count().max(1) as f32)
            })
            .collect();
        let colours = &mut self.colours;
        let mut relax = |&(at, share): &(usize, f32)| {
            let [a, b, c, d] = neighbours(at).map(|j| colours[j]);
            let own = &mut colours[at];
            for i in 0..4 {
                own[i] = (1.0 - OVER_RELAXATION) * own[i] + share * ((a[i] + b[i]) + (c[i] + d[i]));
            }
        };
        for sweep in 0..sweeps {
            if sweep % 2 == 0 {
                cells.iter().for_each(&mut relax);
            } else {
                cells.iter().rev().for_each(&mut relax);
            }
        }
    }

    /// Returns the level at half size. A cell is known if any of four is, with the mean of those.
    fn coarsened(&self) -> Self {
        let mut half = Self::empty(self.width.div_ceil(2), self.height.div_ceil(2));
        for y in 0..half.height {
            for x in 0..half.width {
                let first = self.index(2 * x, 2 * y);
                // An odd side ends in the outer ring of empty cells.
                let four = [0, 1, self.stride(), self.stride() + 1].map(|step| first + step);
                let (mut sum, mut count, mut free) = ([0.0; 4], 0.0, false);
                for at in four {
                    free |= self.kinds[at] == FREE;
                    if self.kinds[at] == KNOWN {
                        (0..4).for_each(|i| sum[i] += self.colours[at][i]);
                        count += 1.0;
                    }
                }
                let at = half.index(x, y);
                if count > 0.0 {
                    half.kinds[at] = KNOWN;
                    half.colours[at] = sum.map(|s| s / count);
                } else if free {
                    half.kinds[at] = FREE;
                    half.free.push(at as u32);
                }
            }
        }
        half
    }

    /// Initialises the free cells by bilinear interpolation of the coarser level (prolongation).
    fn prolong(&mut self, coarse: &Self) {
        let stride = self.stride();
        for &at in &self.free {
            let at = at as usize;
            let (x, y) = (at % stride - 1, at / stride - 1);
            let near = coarse.index(x / 2, y / 2);
            let column = if x % 2 == 0 { near - 1 } else { near + 1 };
            let down = coarse.stride();
            let row = |i: usize| if y % 2 == 0 { i - down } else { i + down };
            let (mut sum, mut weights) = ([0.0; 4], 0.0);
            for (from, weight) in [
                (near, 0.5625),
                (column, 0.1875),
                (row(near), 0.1875),
                (row(column), 0.0625),
            ] {
                if coarse.kinds[from] != EMPTY {
                    (0..4).for_each(|i| sum[i] += weight * coarse.colours[from][i]);
                    weights += weight;
                }
            }
            // The weights are never zero, because the coarse cell that contains this one is not
            // empty.
            self.colours[at] = sum.map(|s| s / weights);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: usize, height: usize, at: impl Fn(usize, usize) -> [u8; 3]) -> Frame {
        let pixels = (0..width * height).flat_map(|i| at(i % width, i / width));
        Frame::new(width, height, pixels.collect())
    }

    /// Fills rectangles of an image, asserts that nothing else changed, and returns the largest
    /// error.
    fn error(image: &Frame, rectangles: &[(i64, i64, u64, u64)]) -> u8 {
        let mut hole = Mask::empty(image.width(), image.height());
        for &(x, y, width, height) in rectangles {
            hole.add_rectangle(x, y, width, height);
        }
        let mut seen = image.clone();
        for (pixel, &hole) in seen.rgb_mut().chunks_exact_mut(3).zip(hole.hole()) {
            if hole == 1 {
                pixel.copy_from_slice(&[255, 0, 0]);
            }
        }
        let filled = diffusion_fill(&seen, &hole);
        let pixels = filled
            .rgb()
            .chunks_exact(3)
            .zip(image.rgb().chunks_exact(3));
        let mut worst = 0;
        for ((filled, truth), &hole) in pixels.zip(hole.hole()) {
            if hole == 0 {
                assert_eq!(filled, truth, "changed outside the hole");
            }
            let errors = filled.iter().zip(truth).map(|(a, b)| a.abs_diff(*b));
            worst = worst.max(errors.max().unwrap_or(0));
        }
        worst
    }

    #[test]
    fn a_ramp_continues_through_the_hole() {
        let ramp = image(320, 200, |x, y| {
            [(x / 2 + 40) as u8, (y + 20) as u8, (x / 4 + y / 2) as u8]
        });
        for rectangles in [
            &[(40, 40, 240, 120)][..],
            &[(5, 100, 300, 9)],
            &[(100, 60, 1, 1)],
            // Components that touch at a corner, and one inside the bounding box of another.
            &[(20, 20, 60, 60), (80, 80, 60, 60)],
            &[(20, 20, 200, 8), (20, 20, 8, 150), (90, 80, 40, 40)],
        ] {
            let worst = error(&ramp, rectangles);
            println!("{rectangles:?}: {worst}");
            assert!(worst <= 5, "{rectangles:?}: {worst}");
        }
    }

    #[test]
    fn a_uniform_border_fills_holes_at_edges_and_corners() {
        for (width, height) in [(1, 2), (2, 1), (7, 5), (64, 33)] {
            let plain = image(width, height, |_, _| [90, 20, 200]);
            let (w, h) = (width as u64, height as u64);
            for rectangle in [
                (0, 0, w, h - 1),
                (0, 0, w - 1, h),
                (0, 0, w / 2, h / 2),
                (width as i64 / 2, height as i64 / 2, w, h),
                (0, height as i64 / 2, w, 1),
            ] {
                let all = rectangle == (0, 0, w, h) || rectangle.2 == w && h == 1;
                let all = all || rectangle.3 >= h && w == 1 && rectangle.1 == 0;
                if !all {
                    assert_eq!(
                        error(&plain, &[rectangle]),
                        0,
                        "{width}x{height} {rectangle:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn components_are_filled_independently() {
        // Black on the left, white on the right, with a component in each.
        let halves = image(80, 40, |x, _| [if x < 40 { 0 } else { 255 }; 3]);
        assert_eq!(error(&halves, &[(10, 10, 27, 20), (43, 10, 27, 20)]), 0);
    }

    #[test]
    fn a_hole_that_covers_the_frame_stays_unfilled() {
        for (width, height) in [(1, 1), (9, 4)] {
            let frame = image(width, height, |x, y| [x as u8, y as u8, 7]);
            let mut hole = Mask::empty(width, height);
            assert_eq!(diffusion_fill(&frame, &hole), frame, "no hole");
            hole.add_rectangle(0, 0, 99, 99);
            assert_eq!(diffusion_fill(&frame, &hole), frame);
        }
    }

    #[test]
    fn a_hole_of_another_size_is_resized_to_the_frame() {
        let frame = image(16, 12, |x, _| [if x < 8 { 10 } else { 99 }; 3]);
        let mut hole = Mask::empty(4, 3);
        hole.add_rectangle(0, 0, 2, 1);
        let filled = diffusion_fill(&frame, &hole);
        assert_ne!(filled, frame);
        assert_eq!(filled.rgb()[3 * 8..3 * 16], frame.rgb()[3 * 8..3 * 16]);
    }
}
