//! Pictures and hole masks on the host: what the session's door takes and gives. Copies share
//! their pixels until one of them is changed.

use std::sync::Arc;

use crate::Rect;

/// An 8-bit RGB picture, rows top to bottom, pixels interleaved, no padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    width: usize,
    height: usize,
    rgb: Arc<Vec<u8>>,
}

impl Frame {
    /// Wraps `rgb`, which holds `3·width·height` bytes.
    ///
    /// # Panics
    /// When the length does not fit the size, or a side is zero.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Self {
        assert!(width > 0 && height > 0, "a frame has at least one pixel");
        assert_eq!(rgb.len(), 3 * width * height, "RGB bytes of a frame");
        Self {
            width,
            height,
            rgb: Arc::new(rgb),
        }
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    pub fn rgb_mut(&mut self) -> &mut [u8] {
        Arc::make_mut(&mut self.rgb).as_mut_slice()
    }
}

/// A hole mask: one byte a pixel, 1 in the hole, 0 elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    width: usize,
    height: usize,
    hole: Arc<Vec<u8>>,
}

impl Mask {
    /// A mask from luma: every value that is not zero is hole (spec section 7, step 1).
    ///
    /// # Panics
    /// When the length does not fit the size, or a side is zero.
    pub fn from_luma(width: usize, height: usize, mut luma: Vec<u8>) -> Self {
        assert!(width > 0 && height > 0, "a mask has at least one pixel");
        assert_eq!(luma.len(), width * height, "bytes of a mask");
        for value in &mut luma {
            *value = u8::from(*value != 0);
        }
        Self {
            width,
            height,
            hole: Arc::new(luma),
        }
    }

    /// A mask without a hole.
    pub fn empty(width: usize, height: usize) -> Self {
        Self::from_luma(width, height, vec![0; width * height])
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    /// 1 in the hole, 0 elsewhere, row by row.
    pub fn hole(&self) -> &[u8] {
        &self.hole
    }

    pub fn is_empty(&self) -> bool {
        self.hole.iter().all(|&hole| hole == 0)
    }

    /// The smallest area that holds the hole.
    pub fn area(&self) -> Rect {
        let rows = self.hole.chunks_exact(self.width).enumerate();
        // Whole rows are looked through faster than pixels one by one.
        let rows = rows.filter(|(_, hole)| hole.contains(&1));
        let areas = rows.filter_map(|(row, hole)| {
            let first = hole.iter().position(|&hole| hole == 1)?;
            let last = hole.iter().rposition(|&hole| hole == 1)?;
            Some(Rect::new([row..row + 1, first..last + 1]))
        });
        areas.fold(Rect::default(), |all, area| all.union(&area))
    }

    /// Adds a rectangle to the hole; what lies outside the picture is cut off.
    pub fn add_rectangle(&mut self, x: i64, y: i64, width: u64, height: u64) {
        let span = |start: i64, length: u64, limit: usize| {
            let end = i128::from(start) + i128::from(length);
            let start = i128::from(start).clamp(0, limit as i128) as usize;
            start..(end.clamp(0, limit as i128) as usize).max(start)
        };
        let columns = span(x, width, self.width);
        let hole = Arc::make_mut(&mut self.hole);
        for row in span(y, height, self.height) {
            hole[row * self.width..][columns.clone()].fill(1);
        }
    }

    /// Adds another mask of the same size to the hole.
    pub fn union(&mut self, other: &Mask) {
        assert_eq!((self.width, self.height), (other.width, other.height));
        let hole = Arc::make_mut(&mut self.hole).iter_mut();
        for (hole, more) in hole.zip(other.hole.iter()) {
            *hole |= more;
        }
    }

    /// The mask at another size by nearest neighbour, as Pillow's `NEAREST` picks (pixel centres).
    pub fn resized(&self, width: usize, height: usize) -> Mask {
        let pick = |to: usize, from: usize, i: usize| ((2 * i + 1) * from / (2 * to)).min(from - 1);
        let columns: Vec<usize> = (0..width).map(|x| pick(width, self.width, x)).collect();
        let mut hole = Vec::with_capacity(width * height);
        for y in 0..height {
            let row = &self.hole[pick(height, self.height, y) * self.width..][..self.width];
            hole.extend(columns.iter().map(|&x| row[x]));
        }
        Mask {
            width,
            height,
            hole: Arc::new(hole),
        }
    }

    /// Binary dilation with a cross-shaped structuring element, `iterations` times
    /// (spec section 7, step 2). Pixels outside the picture are no hole.
    pub fn dilated(&self, iterations: usize) -> Mask {
        let (width, height) = (self.width, self.height);
        let hole = self.area();
        if hole.is_empty() {
            return self.clone();
        }
        // Farther off, nothing changes.
        let area = hole.map(|range, axis| {
            let most = [height, width][axis];
            range.start.saturating_sub(iterations)..range.end.saturating_add(iterations).min(most)
        });
        // The cross iterated k times is the city-block ball of radius k, so one two-pass
        // distance transform replaces k passes.
        let limit = iterations.min(width + height) as u32;
        let mut distance = Vec::with_capacity(area.pixels());
        for row in area.rows.clone() {
            let row = &self.hole[row * width..][area.columns.clone()];
            distance.extend(
                row.iter()
                    .map(|&hole| if hole == 1 { 0 } else { limit + 1 }),
            );
        }
        city_block(&mut distance, area.columns.len());
        let mut hole = vec![0; width * height];
        let rows = distance.chunks_exact(area.columns.len());
        for (row, distance) in area.rows.zip(rows) {
            let hole = &mut hole[row * width..][area.columns.clone()];
            for (hole, &distance) in hole.iter_mut().zip(distance) {
                *hole = u8::from(distance <= limit);
            }
        }
        Mask {
            width,
            height,
            hole: Arc::new(hole),
        }
    }
}

/// Brings each cell of a picture of this width down to the city-block distance to the nearest
/// cell plus what that one holds.
pub(crate) fn city_block(distance: &mut [u32], width: usize) {
    let cells = distance.len();
    for i in 0..cells {
        if i % width > 0 {
            distance[i] = distance[i].min(distance[i - 1] + 1);
        }
        if i >= width {
            distance[i] = distance[i].min(distance[i - width] + 1);
        }
    }
    for i in (0..cells).rev() {
        if i % width + 1 < width {
            distance[i] = distance[i].min(distance[i + 1] + 1);
        }
        if i + width < cells {
            distance[i] = distance[i].min(distance[i + width] + 1);
        }
    }
}

/// A frame that is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The inpainted picture, of the size that was pushed; equal to the source outside the hole.
    pub frame: Frame,
    /// Where it may differ from the source: the dilated hole at the same size.
    pub hole: Mask,
}
