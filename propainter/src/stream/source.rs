//! A source frame and the windows blended into it.

use super::pixels::Patch;
use crate::{Frame, InpaintedFrame, Mask};

/// A source frame with its hole.
#[derive(Debug)]
pub struct Source {
    pub frame: Frame,
    pub hole: Mask,
    /// The pixels whose flow is completed: the hole, or more of a frame with a border.
    pub flow_hole: Mask,
    /// Whether `hole` has a pixel.
    pub has_hole: bool,
    /// The frame with the hole as blended so far; `None` until a window contained it.
    blended: Option<Frame>,
}

impl Source {
    pub fn new(frame: Frame, hole: Mask, flow_hole: Mask) -> Self {
        Self {
            has_hole: !hole.is_empty(),
            frame,
            hole,
            flow_hole,
            blended: None,
        }
    }

    /// Returns the frame with the hole as blended so far.
    pub fn result(&self) -> InpaintedFrame {
        InpaintedFrame {
            frame: self.blended.as_ref().unwrap_or(&self.frame).clone(),
            hole: self.hole.clone(),
        }
    }

    /// Returns the bytes held.
    pub fn bytes(&self) -> u64 {
        let blended = self.blended.as_ref().map_or(0, Frame::host_bytes);
        (self.frame.host_bytes() + blended + self.hole.hole().len()) as u64
    }

    /// Blends a window's result into the hole: takes the first one, and averages each later one
    /// half and half, truncated to 8 bits each time.
    pub fn blend(&mut self, Patch { area, rgb, .. }: &Patch) {
        let first = self.blended.is_none();
        let width = self.hole.width();
        let blended = self
            .blended
            .get_or_insert_with(|| match self.frame.device() {
                None => self.frame.clone(),
                // Black, of which nothing stays.
                Some(_) => {
                    let black = vec![0; 3 * area.pixels()];
                    self.frame.with_fill(&self.hole, area, black)
                }
            });
        let lines = rgb.chunks_exact(3 * area.columns.len());
        for ((row, line), pixels) in area.rows.clone().zip(lines).zip(blended.lines_mut(area)) {
            let columns = row * width + area.columns.start..row * width + area.columns.end;
            let holes = &self.hole.hole()[columns];
            let pixels = pixels.chunks_exact_mut(3).zip(line.chunks_exact(3));
            for ((pixel, new), _) in pixels.zip(holes).filter(|(_, hole)| **hole != 0) {
                for (value, &new) in pixel.iter_mut().zip(new) {
                    *value = if first {
                        new
                    } else {
                        ((u16::from(*value) + u16::from(new)) / 2) as u8
                    };
                }
            }
        }
    }
}
