//! Frames whose hole is filled, wherever their pixels are.

use std::sync::Arc;

use super::{
    Frame, Mask, Pixels,
    device::{DeviceFrame, Overlay},
};
use crate::Rect;

impl Frame {
    /// Returns the bytes that the frame takes on the host.
    #[cfg(feature = "networks")]
    pub(crate) fn host_bytes(&self) -> usize {
        match &*self.pixels {
            Pixels::Host(rgb) => rgb.len(),
            Pixels::Device(frame) => frame.host_bytes(),
        }
    }

    /// Returns the frame with other pixels in a hole. `rgb` holds the bytes of the hole's bounding box;
    /// those outside the hole are the frame's own, or mean nothing on a device.
    pub(crate) fn with_fill(&self, hole: &Mask, area: &Rect, rgb: Vec<u8>) -> Self {
        let pixels = match &*self.pixels {
            Pixels::Host(whole) => {
                let mut whole = whole.clone();
                area.paste(&rgb, &mut whole, 3, self.width);
                Pixels::Host(whole)
            }
            Pixels::Device(frame) => {
                let overlay = Overlay {
                    hole: hole.clone(),
                    area: area.clone(),
                    rgb,
                };
                let (pixels, part) = (frame.pixels.clone(), frame.part.clone());
                Pixels::Device(DeviceFrame::new(pixels, part, Some(overlay)))
            }
        };
        Self {
            pixels: Arc::new(pixels),
            ..*self
        }
    }

    /// Returns the RGB bytes of each row of a part for writing, which is the bounding box of the fill if
    /// the frame has one.
    pub(crate) fn lines_mut(&mut self, part: &Rect) -> impl Iterator<Item = &mut [u8]> {
        let filled = self.device().and_then(|frame| frame.overlay.as_ref());
        let is_fill = filled.is_some_and(|overlay| overlay.area == *part);
        if !is_fill {
            self.rgb_mut();
        }
        let (bytes, within, width) = match Arc::make_mut(&mut self.pixels) {
            Pixels::Host(rgb) => (rgb.as_mut_slice(), part.clone(), self.width),
            Pixels::Device(frame) => (
                frame.fill_mut(),
                Rect::whole(part.size()),
                part.columns.len(),
            ),
        };
        let rows = bytes.chunks_exact_mut((3 * width).max(1));
        let rows = rows.skip(within.rows.start).take(within.rows.len());
        rows.map(move |row| &mut row[3 * within.columns.start..3 * within.columns.end])
    }
}
