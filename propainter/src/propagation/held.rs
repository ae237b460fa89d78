//! A frame in the window, with what is known about it.

use super::{grid::Flow, plane::Pyramid};
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
    /// Per pixel: [`SOURCE`] where it may be one, [`NEAR`] where one is near.
    pixels: Vec<u8>,
}

const SOURCE: u8 = 1;
const NEAR: u8 = 2;
/// How far [`NEAR`] reaches: no pixel of a cell whose middle has none near can be a source.
const REACH: usize = 4;

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
            let at = |t: f32, side: usize| ((t + 0.5).max(0.0) as i32 as usize).min(side - 1);
            at(y, height) * width + at(x, width)
        })
    }

    /// Whether known picture is at a position, far enough from the hole.
    pub fn shows(&self, x: f32, y: f32) -> bool {
        let usable = self.usable.as_ref();
        self.pixel(x, y)
            .is_some_and(|at| usable.is_none_or(|usable| usable.pixels[at] & SOURCE != 0))
    }

    /// Whether none of the pixels of a cell with its middle at a position can be shown: it
    /// lies deep in the hole.
    pub fn buries(&self, x: f32, y: f32) -> bool {
        let Some(usable) = &self.usable else {
            return false;
        };
        let at = |t: f32, side: usize| ((t + 0.5).max(0.0) as i32 as usize).min(side - 1);
        let (width, height) = (self.frame.width(), self.frame.height());
        usable.pixels[at(y, height) * width + at(x, width)] & NEAR == 0
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
        let mut pixels = spread(hole.hole(), width, height, KEEP);
        pixels.iter_mut().for_each(|pixel| *pixel = 1 - *pixel);
        let near = spread(&pixels, width, height, REACH);
        let pairs = pixels.iter_mut().zip(near);
        pairs.for_each(|(pixel, near)| *pixel |= near * NEAR);
        Self { pixels }
    }
}

/// Grows the ones of a plane of zeros and ones by `radius`, in both axes.
fn spread(plane: &[u8], width: usize, height: usize, radius: usize) -> Vec<u8> {
    let join = |out: &mut [u8], more: &[u8]| {
        out.iter_mut()
            .zip(more)
            .for_each(|(out, more)| *out |= more);
    };
    let mut rows = plane.to_vec();
    for (out, row) in rows.chunks_exact_mut(width).zip(plane.chunks_exact(width)) {
        for shift in 1..=radius.min(width - 1) {
            join(&mut out[shift..], row);
            join(out, &row[shift..]);
        }
    }
    let mut out = rows.clone();
    for shift in (1..=radius.min(height - 1)).map(|rows| rows * width) {
        join(&mut out[shift..], &rows);
        join(&mut out, &rows[shift..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_keeps_its_distance_from_the_hole() {
        let (width, height) = (24, 16);
        let mut hole = Mask::empty(width, height);
        hole.add_rectangle(9, 6, 4, 3);
        let held = Held::new(Frame::new(width, height, vec![0; 3 * width * height]), hole);
        for y in 0..height {
            for x in 0..width {
                let far = |t: usize, first: usize, last: usize| {
                    first.saturating_sub(t).max(t.saturating_sub(last))
                };
                let distance = far(x, 9, 12).max(far(y, 6, 8));
                let (x, y) = (x as f32, y as f32);
                assert_eq!(held.shows(x, y), distance > KEEP, "{x}, {y}");
            }
        }
        assert!(!held.shows(-1.0, 3.0) && !held.shows(24.0, 3.0));
    }

    #[test]
    fn a_deep_hole_buries_its_middle_only() {
        let (width, height) = (40, 40);
        let mut hole = Mask::empty(width, height);
        hole.add_rectangle(0, 0, 40, 20);
        let held = Held::new(Frame::new(width, height, vec![0; 3 * width * height]), hole);
        assert!(held.buries(20.0, 10.0));
        assert!(!held.buries(20.0, 18.0) && !held.buries(20.0, 30.0));
    }
}
