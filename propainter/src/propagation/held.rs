//! A frame in the window, with what is known about it.

use super::{
    grid::{CELL, Flow},
    plane::Pyramid,
};
use crate::{Frame, Mask};

/// Pixels of known picture that a source must keep from the hole: a mask is seldom exact, and
/// interpolation looks two pixels around.
const KEEP: usize = 2;

/// One frame of the window.
pub struct Held {
    /// The picture as it came; once final, as it went out.
    pub frame: Frame,
    /// Where it is to be filled, until it is.
    pub hole: Option<Mask>,
    /// What may serve as a source; `None` where all of it may.
    pub usable: Option<Usable>,
    /// Made when first needed.
    pub pyramid: Option<Pyramid>,
    /// Flow to the next frame, where this one has a hole.
    pub forward: Option<Flow>,
    /// Flow to the frame before, where this one has a hole.
    pub backward: Option<Flow>,
    /// Whether the frame before shows another scene.
    pub cut: bool,
}

/// Where a frame with a hole may be copied from.
pub struct Usable {
    /// 1 per pixel that may be a source.
    pub pixels: Vec<u8>,
    /// Per node: no source in its cell nor the eight around.
    pub blocked: Vec<bool>,
}

impl Held {
    pub fn new(frame: Frame, hole: Mask) -> Self {
        Self {
            usable: (!hole.is_empty()).then(|| Usable::new(&hole)),
            frame,
            hole: Some(hole),
            pyramid: None,
            forward: None,
            backward: None,
            cut: false,
        }
    }

    /// The pixel at a position, if it is in the picture.
    pub fn pixel(&self, x: f32, y: f32) -> Option<usize> {
        let (width, height) = (self.frame.width(), self.frame.height());
        let most = |side: usize| side as f32 - 0.75;
        let within = x >= -0.25 && y >= -0.25 && x <= most(width) && y <= most(height);
        within.then(|| {
            let at = |t: f32, side: usize| ((t + 0.5).max(0.0) as usize).min(side - 1);
            at(y, height) * width + at(x, width)
        })
    }

    /// Whether known picture is at a position, far enough from the hole.
    pub fn shows(&self, x: f32, y: f32) -> bool {
        let usable = self.usable.as_ref();
        self.pixel(x, y)
            .is_some_and(|at| usable.is_none_or(|usable| usable.pixels[at] == 1))
    }

    pub fn has_hole(&self) -> bool {
        self.usable.is_some()
    }

    /// Makes the pyramid, unless it was made.
    pub fn look(&mut self) {
        if self.pyramid.is_none() {
            self.pyramid = Some(Pyramid::new(&self.frame, self.hole.as_ref()));
        }
    }
}

impl Usable {
    fn new(hole: &Mask) -> Self {
        let (width, height) = (hole.width(), hole.height());
        let mut rows = vec![0u8; width * height];
        for (row, hole) in rows
            .chunks_exact_mut(width)
            .zip(hole.hole().chunks_exact(width))
        {
            let mut x = 0;
            while x < width {
                if hole[x] == 0 {
                    x += 1;
                    continue;
                }
                let end = hole[x..]
                    .iter()
                    .position(|&h| h == 0)
                    .map_or(width, |n| x + n);
                row[x.saturating_sub(KEEP)..(end + KEEP).min(width)].fill(1);
                x = end;
            }
        }
        let mut pixels = vec![1u8; width * height];
        for (y, out) in pixels.chunks_exact_mut(width).enumerate() {
            for near in y.saturating_sub(KEEP)..(y + KEEP + 1).min(height) {
                let row = &rows[near * width..][..width];
                out.iter_mut()
                    .zip(row)
                    .for_each(|(out, hole)| *out &= 1 - hole);
            }
        }
        let (nodes, lines) = (width / CELL, height / CELL);
        let mut open = vec![false; nodes * lines];
        for (y, row) in pixels.chunks_exact(width).enumerate() {
            let open = &mut open[y / CELL * nodes..][..nodes];
            for (cell, open) in row.chunks_exact(CELL).zip(open) {
                *open |= cell.contains(&1);
            }
        }
        let near = super::flow::grown(&open, nodes, lines, 1);
        Self {
            pixels,
            blocked: near.into_iter().map(|near| !near).collect(),
        }
    }
}
