//! Where the planes of a frame lie on a device, and where the same planes lie on the host, one after the
//! other without padding; and the bits that a fill writes.

use std::ops::Range;

use gst_video::VideoInfo;
use propainter::{Frame, InpaintedFrame, Mask, Rect};

use crate::propainter::video::{
    device::transfer::{Bits, Rows},
    layout::{Component, component, error::InvalidBuffer},
};

/// The planes of a part of a frame.
#[derive(Debug)]
pub struct Planes {
    /// On the device.
    pub rows: Vec<Rows>,
    /// The components on the host.
    pub components: Vec<Component>,
}

impl Planes {
    /// Returns the planes of the pixels in `part`, which ends with whole chroma samples or at an edge of
    /// the frame.
    ///
    /// # Errors
    /// The buffer is too small for its caps.
    pub fn new(
        info: &VideoInfo,
        buffer: &gst::BufferRef,
        part: &Rect,
    ) -> Result<Self, InvalidBuffer> {
        let format = info.format_info();
        let mut planes = Self {
            rows: Vec::new(),
            components: Vec::new(),
        };
        let mut size = 0;
        for index in 0..info.n_components() as u8 {
            let on_device = component(info, buffer, index)?;
            let scaled = |pixels: &Range<usize>, shifts: &[u32]| {
                let shift = shifts[usize::from(index)];
                pixels.start >> shift..pixels.end.div_ceil(1 << shift)
            };
            let columns = scaled(&part.columns, format.w_sub());
            let rows = scaled(&part.rows, format.h_sub());
            let rows = Rows {
                start: on_device.plane
                    + rows.start * on_device.stride
                    + columns.start * on_device.step,
                stride: on_device.stride,
                width: columns.len() * on_device.step,
                count: rows.len(),
            };
            // The components of a plane come one after the other.
            if planes.rows.last() != Some(&rows) {
                planes.rows.push(rows);
                size += rows.size();
            }
            planes.components.push(Component {
                plane: size - rows.size(),
                stride: rows.width,
                columns: columns.len(),
                ..on_device
            });
        }
        Ok(planes)
    }

    /// Returns the number of bytes on the host.
    pub fn size(&self) -> usize {
        self.rows.iter().map(|rows| rows.size()).sum()
    }

    /// Returns where three components lie on the host.
    pub fn colors(&self) -> [Component; 3] {
        [0, 1, 2].map(|index| self.components[index])
    }

    /// Returns the bits that `write` writes into the host's bytes.
    pub fn bits(&self, write: impl Fn(&mut [u8])) -> Bits {
        // What it does not write, zeros and ones alike, stays.
        let [new, kept] = [0, u8::MAX].map(|background| {
            let mut bytes = vec![background; self.size()];
            write(&mut bytes);
            bytes
        });
        Bits { new, kept }
    }
}

/// Returns the part of the frame that chroma samples in the hole belong to.
pub fn part(info: &VideoInfo, hole: &Rect) -> Rect {
    let format = info.format_info();
    let aligned = |pixels: &Range<usize>, shifts: &[u32], end: u32| {
        let samples = 1 << shifts.iter().max().unwrap_or(&0);
        let start = pixels.start / samples * samples;
        start..pixels.end.next_multiple_of(samples).min(end as usize)
    };
    Rect::new([
        aligned(&hole.rows, format.h_sub(), info.height()),
        aligned(&hole.columns, format.w_sub(), info.width()),
    ])
}

/// Returns a part of an inpainted frame, valid in the hole.
pub fn cropped(done: &InpaintedFrame, part: &Rect) -> InpaintedFrame {
    let [height, width] = part.size();
    let hole = part.rows.clone().flat_map(|y| {
        let first = y * done.hole.width() + part.columns.start;
        &done.hole.hole()[first..first + width]
    });
    InpaintedFrame {
        frame: Frame::new(width, height, done.frame.fill_in(part)),
        hole: Mask::from_luma(width, height, hole.copied().collect()),
    }
}
