//! A frame in the window, with the data derived from it.

use std::sync::Arc;

use crate::{
    Frame, Mask,
    classical::{
        fields::flow_field::StoredFlow,
        hole::source_map::SourceMap,
        motion::pyramid::{Pyramid, PyramidLevel},
    },
};

/// A frame in the window.
pub struct WindowFrame {
    /// The incoming frame; once it is final, the filled one.
    pub frame: Frame,
    /// The source map of the original hole; `None` if the frame came without one.
    source_map: Option<Arc<SourceMap>>,
    /// The luma pyramid. It is built on first use and dropped once the next frame has been compared
    /// with it.
    pub pyramid: Option<Pyramid>,
    /// Flow to the next frame, if this one has a hole.
    pub forward: Option<StoredFlow>,
    /// Flow to the previous frame, if this one has a hole.
    pub backward: Option<StoredFlow>,
    /// Whether a scene cut lies between the previous frame and this one.
    pub scene_cut: bool,
}

impl WindowFrame {
    /// Wraps an incoming frame with the source map of its hole.
    pub fn new(frame: Frame, source_map: Option<Arc<SourceMap>>) -> Self {
        Self {
            frame,
            source_map,
            pyramid: None,
            forward: None,
            backward: None,
            scene_cut: false,
        }
    }

    /// Returns the pixel nearest to a position, or `None` outside the frame.
    fn nearest_pixel(&self, x: f32, y: f32) -> Option<(usize, usize)> {
        let (width, height) = (self.frame.width(), self.frame.height());
        let most = |side: usize| side as f32 - 0.75;
        let within = x >= -0.25 && y >= -0.25 && x <= most(width) && y <= most(height);
        within.then(|| (nearest_index(x, width), nearest_index(y, height)))
    }

    /// Returns whether a position lies within the frame.
    pub fn contains(&self, x: f32, y: f32) -> bool {
        self.nearest_pixel(x, y).is_some()
    }

    /// Returns whether the pixel at a position is known and far enough from the hole to be copied.
    pub fn is_source(&self, x: f32, y: f32) -> bool {
        let source_map = self.source_map.as_ref();
        self.nearest_pixel(x, y)
            .is_some_and(|(x, y)| source_map.is_none_or(|source_map| source_map.is_source(x, y)))
    }

    /// Returns whether a cell centred at a position lies so deep in the hole that none of its
    /// pixels is a source.
    pub fn lacks_sources_near(&self, x: f32, y: f32) -> bool {
        let Some(source_map) = &self.source_map else {
            return false;
        };
        let (width, height) = (self.frame.width(), self.frame.height());
        !source_map.has_source_near(nearest_index(x, width), nearest_index(y, height))
    }

    /// Returns whether both frames came with the same hole, as far as that is known at no cost.
    pub fn shares_hole(&self, other: &Self) -> bool {
        match (&self.source_map, &other.source_map) {
            (Some(own), Some(theirs)) => Arc::ptr_eq(own, theirs),
            (own, theirs) => own.is_none() && theirs.is_none(),
        }
    }

    /// Returns whether the frame came with a hole.
    pub fn has_hole(&self) -> bool {
        self.source_map.is_some()
    }

    /// Returns the original hole.
    pub fn hole_mask(&self) -> Mask {
        let (width, height) = (self.frame.width(), self.frame.height());
        match &self.source_map {
            Some(source_map) => source_map.to_mask(width, height),
            None => Mask::empty(width, height),
        }
    }

    /// Builds the pyramid unless it exists.
    pub fn build_pyramid(&mut self) {
        if self.pyramid.is_none() {
            self.pyramid = Some(Pyramid::new(&self.frame, self.source_map.as_deref()));
        }
    }

    /// Returns the luma and validity that searches from patches with these upper left corners need.
    pub fn level_around(&self, corners: impl Iterator<Item = (f32, f32)>) -> PyramidLevel {
        PyramidLevel::around(&self.frame, self.source_map.as_deref(), corners)
    }

    /// Returns the bytes held on the heap.
    pub fn bytes(&self) -> u64 {
        let flows = [&self.forward, &self.backward].into_iter().flatten();
        let parts = [
            self.frame.rgb().len() as u64,
            self.source_map
                .as_ref()
                .map_or(0, |source_map| source_map.bytes()),
            self.pyramid.as_ref().map_or(0, Pyramid::bytes),
            flows.map(StoredFlow::bytes).sum(),
        ];
        parts.into_iter().sum()
    }
}

/// Returns the index nearest to a position on an axis of length `side`.
fn nearest_index(t: f32, side: usize) -> usize {
    ((t + 0.5).max(0.0) as i32 as usize).min(side - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window_frame(hole: &Mask) -> WindowFrame {
        let (width, height) = (hole.width(), hole.height());
        let frame = Frame::new(width, height, vec![0; 3 * width * height]);
        WindowFrame::new(frame, SourceMap::new(hole).map(Arc::new))
    }

    #[test]
    fn sources_keep_their_distance_from_the_hole() {
        let (width, height) = (24, 16);
        let mut hole = Mask::empty(width, height);
        hole.add_rectangle(9, 6, 4, 3);
        let window_frame = window_frame(&hole);
        for y in 0..height {
            for x in 0..width {
                let far = |t: usize, first: usize, last: usize| {
                    first.saturating_sub(t).max(t.saturating_sub(last))
                };
                let distance = far(x, 9, 12).max(far(y, 6, 8));
                let (x, y) = (x as f32, y as f32);
                assert_eq!(window_frame.is_source(x, y), distance > 2, "{x}, {y}");
            }
        }
        assert!(!window_frame.is_source(-1.0, 3.0) && !window_frame.is_source(24.0, 3.0));
    }

    #[test]
    fn only_the_middle_of_a_deep_hole_lacks_sources_near() {
        let (width, height) = (40, 40);
        let mut hole = Mask::empty(width, height);
        hole.add_rectangle(0, 0, 40, 20);
        let window_frame = window_frame(&hole);
        assert!(window_frame.lacks_sources_near(20.0, 10.0));
        assert!(
            !window_frame.lacks_sources_near(20.0, 18.0)
                && !window_frame.lacks_sources_near(20.0, 30.0)
        );
    }
}
