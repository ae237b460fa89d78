//! The canvas: a frame and the border around it, which is filled like a hole.
//!
//! A canvas has a processing size like any frame: multiples of 8, to which it is scaled. The frame
//! is scaled on its own, without the border, to its rectangle of the canvas in whole pixels; so no
//! pixel of it mixes with the border. If the canvas is not scaled, the frame isn't either.

use super::config::Config;
use crate::{Border, Frame, InpaintedFrame, Mask, Rect, resize};

/// The canvas of a session's frames; without a border it is the frame.
#[derive(Clone, Copy)]
pub struct Canvas {
    /// Width and height of the frames that are pushed.
    frame: (usize, usize),
    border: Border,
}

impl Canvas {
    /// Returns the canvas of a configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            frame: (config.width, config.height),
            border: config.border,
        }
    }

    /// Returns width and height in pixels, at the frame's size.
    pub fn size(&self) -> (usize, usize) {
        self.border.around(self.frame)
    }

    /// Returns the rectangle of the frame in a canvas that is scaled to `size`, (width, height);
    /// at least one pixel. `None` without a border.
    pub fn picture(&self, size: (usize, usize)) -> Option<Rect> {
        if self.border.is_empty() {
            return None;
        }
        let (from, to) = (self.size(), [size.1, size.0]);
        let from = [from.1, from.0];
        let picture = self.border.picture(self.frame);
        let scaled = |at: usize, axis: usize| (2 * at * to[axis] + from[axis]) / (2 * from[axis]);
        Some(picture.map(|range, axis| {
            let start = scaled(range.start, axis).min(to[axis] - 1);
            start..scaled(range.end, axis).max(start + 1)
        }))
    }

    /// Scales a frame and places it on a black canvas of this size.
    pub fn frame(&self, frame: &Frame, size: (usize, usize)) -> Frame {
        let Some(picture) = self.picture(size) else {
            return resize::to_processing(frame, size);
        };
        let [height, width] = picture.size();
        let scaled = resize::to_processing(frame, (width, height));
        let mut rgb = vec![0; 3 * size.0 * size.1];
        picture.paste(scaled.rgb(), &mut rgb, 3, size.0);
        Frame::new(size.0, size.1, rgb)
    }

    /// Returns the hole in a canvas of this size: the border, and the frame's mask, dilated by
    /// `growth` pixels within the frame.
    pub fn hole(&self, mask: &Mask, growth: usize, size: (usize, usize)) -> Mask {
        let [height, width] = self
            .picture(size)
            .map_or([size.1, size.0], |picture| picture.size());
        let hole = mask.resized(width, height).dilated(growth);
        self.with_border(hole, size)
    }

    /// Returns the hole of a canvas whose frame has this hole.
    pub fn with_border(&self, hole: Mask, size: (usize, usize)) -> Mask {
        let Some(picture) = self.picture(size) else {
            return hole;
        };
        let mut whole = vec![1; size.0 * size.1];
        picture.paste(hole.hole(), &mut whole, 1, size.0);
        Mask::from_luma(size.0, size.1, whole)
    }

    /// Scales a finished canvas to the frame's size. Without `source`, the frame as it was pushed,
    /// only the pixels of the hole are valid.
    pub fn compose(&self, source: Option<Frame>, small: &InpaintedFrame) -> InpaintedFrame {
        let size @ (width, height) = self.size();
        let black = || Frame::new(width, height, vec![0; 3 * width * height]);
        let source = source.map_or_else(black, |frame| self.frame(&frame, size));
        let hole = match self.picture((small.hole.width(), small.hole.height())) {
            None => small.hole.resized(width, height),
            Some(picture) => {
                let [rows, columns] = picture.size();
                let inside = picture.cut(small.hole.hole(), 1, small.hole.width());
                let inside = Mask::from_luma(columns, rows, inside);
                self.with_border(inside.resized(self.frame.0, self.frame.1), size)
            }
        };
        let frame = resize::compose(source, &small.frame, &hole);
        InpaintedFrame { frame, hole }
    }
}
