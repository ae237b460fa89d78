//! A frame in the window, with what is known about it.

use std::sync::Arc;

use crate::{
    Frame, Mask,
    classical::{
        fields::flow_field::KeptFlow,
        hole::source_map::Usable,
        motion::pyramid::{Level, Pyramid},
    },
};

/// One frame of the window.
pub struct Held {
    /// The picture as it came; once final, as it went out.
    pub frame: Frame,
    /// Where it had a hole when it came, and what may serve as a source; `None` where all of it
    /// may.
    usable: Option<Arc<Usable>>,
    /// Made when first needed, and let go when the next frame has been compared with it.
    pub pyramid: Option<Pyramid>,
    /// Flow to the next frame, where this one has a hole.
    pub forward: Option<KeptFlow>,
    /// Flow to the frame before, where this one has a hole.
    pub backward: Option<KeptFlow>,
    /// Whether the frame before shows another scene.
    pub cut: bool,
}

impl Held {
    pub fn new(frame: Frame, usable: Option<Arc<Usable>>) -> Self {
        Self {
            frame,
            usable,
            pyramid: None,
            forward: None,
            backward: None,
            cut: false,
        }
    }

    /// The pixel at a position, if it is in the picture.
    fn pixel(&self, x: f32, y: f32) -> Option<(usize, usize)> {
        let (width, height) = (self.frame.width(), self.frame.height());
        let most = |side: usize| side as f32 - 0.75;
        let within = x >= -0.25 && y >= -0.25 && x <= most(width) && y <= most(height);
        within.then(|| (nearest(x, width), nearest(y, height)))
    }

    /// Whether a position is in the picture.
    pub fn covers(&self, x: f32, y: f32) -> bool {
        self.pixel(x, y).is_some()
    }

    /// Whether known picture is at a position, far enough from the hole.
    pub fn shows(&self, x: f32, y: f32) -> bool {
        let usable = self.usable.as_ref();
        self.pixel(x, y)
            .is_some_and(|(x, y)| usable.is_none_or(|usable| usable.is_source(x, y)))
    }

    /// Whether none of the pixels of a cell with its middle at a position can be shown: it
    /// lies deep in the hole.
    pub fn buries(&self, x: f32, y: f32) -> bool {
        let Some(usable) = &self.usable else {
            return false;
        };
        let (width, height) = (self.frame.width(), self.frame.height());
        !usable.has_source_near(nearest(x, width), nearest(y, height))
    }

    pub fn has_hole(&self) -> bool {
        self.usable.is_some()
    }

    /// The hole that it came with.
    pub fn hole(&self) -> Mask {
        let (width, height) = (self.frame.width(), self.frame.height());
        match &self.usable {
            Some(usable) => usable.hole(width, height),
            None => Mask::empty(width, height),
        }
    }

    /// Makes the pyramid, unless it was made.
    pub fn look(&mut self) {
        if self.pyramid.is_none() {
            self.pyramid = Some(Pyramid::new(&self.frame, self.usable.as_deref()));
        }
    }

    /// Luma and validity around patches with these upper left corners, as far as a search from
    /// there may go.
    pub fn level_around(&self, corners: impl Iterator<Item = (f32, f32)>) -> Level {
        Level::around(&self.frame, self.usable.as_deref(), corners)
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> u64 {
        let flows = [&self.forward, &self.backward].into_iter().flatten();
        let parts = [
            self.frame.rgb().len() as u64,
            self.usable.as_ref().map_or(0, |usable| usable.bytes()),
            self.pyramid.as_ref().map_or(0, Pyramid::bytes),
            flows.map(KeptFlow::bytes).sum(),
        ];
        parts.into_iter().sum()
    }
}

/// The pixel of an axis next to a position.
fn nearest(t: f32, side: usize) -> usize {
    ((t + 0.5).max(0.0) as i32 as usize).min(side - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(hole: &Mask) -> Held {
        let (width, height) = (hole.width(), hole.height());
        let frame = Frame::new(width, height, vec![0; 3 * width * height]);
        Held::new(frame, Usable::new(hole).map(Arc::new))
    }

    #[test]
    fn a_source_keeps_its_distance_from_the_hole() {
        let (width, height) = (24, 16);
        let mut hole = Mask::empty(width, height);
        hole.add_rectangle(9, 6, 4, 3);
        let held = held(&hole);
        for y in 0..height {
            for x in 0..width {
                let far = |t: usize, first: usize, last: usize| {
                    first.saturating_sub(t).max(t.saturating_sub(last))
                };
                let distance = far(x, 9, 12).max(far(y, 6, 8));
                let (x, y) = (x as f32, y as f32);
                assert_eq!(held.shows(x, y), distance > 2, "{x}, {y}");
            }
        }
        assert!(!held.shows(-1.0, 3.0) && !held.shows(24.0, 3.0));
    }

    #[test]
    fn a_deep_hole_buries_its_middle_only() {
        let (width, height) = (40, 40);
        let mut hole = Mask::empty(width, height);
        hole.add_rectangle(0, 0, 40, 20);
        let held = held(&hole);
        assert!(held.buries(20.0, 10.0));
        assert!(!held.buries(20.0, 18.0) && !held.buries(20.0, 30.0));
    }
}
