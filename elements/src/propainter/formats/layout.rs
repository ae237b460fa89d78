//! Where the samples of a picture lie in a buffer.

use std::ops::Range;

use gst_video::{VideoInfo, VideoMeta};

use super::BadPicture;

/// Where one component lies in a buffer, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Component {
    /// First byte of its plane.
    pub plane: usize,
    pub stride: usize,
    /// From sample to sample.
    pub step: usize,
    /// First sample within the step.
    pub first: usize,
    pub columns: usize,
}

impl Component {
    /// The bytes of row `y`, a whole number of steps.
    pub fn row(self, y: usize) -> Range<usize> {
        let start = self.plane + y * self.stride;
        start..start + self.columns * self.step
    }
}

pub fn readable(
    buffer: &gst::BufferRef,
) -> Result<gst::BufferMap<'_, gst::buffer::Readable>, BadPicture> {
    let map = buffer.map_readable();
    map.map_err(|_| BadPicture("the buffer cannot be read".to_owned()))
}

/// Where a component lies in a buffer: by its meta if it has one, else by the caps.
pub fn component(
    info: &VideoInfo,
    buffer: &gst::BufferRef,
    index: u8,
) -> Result<Component, BadPicture> {
    let (width, height) = (info.width(), info.height());
    let meta = buffer.meta::<VideoMeta>();
    let (offsets, strides) = match &meta {
        Some(meta) => {
            if (meta.format(), meta.width(), meta.height()) != (info.format(), width, height) {
                return Err(BadPicture(format!(
                    "a buffer holds {} of {}x{}, the caps say {} of {width}x{height}",
                    meta.format(),
                    meta.width(),
                    meta.height(),
                    info.format(),
                )));
            }
            (meta.offset(), meta.stride())
        }
        None => (info.offset(), info.stride()),
    };
    let plane = info.comp_plane(index) as usize;
    let find = || {
        let component = Component {
            plane: *offsets.get(plane)?,
            stride: usize::try_from(*strides.get(plane)?).ok()?,
            step: usize::try_from(info.comp_pstride(index)).ok()?,
            // GStreamer 1.22 has V of P010 one byte in, which is in the middle of U.
            first: (info.comp_poffset(index) as usize)
                .next_multiple_of(info.comp_depth(index).div_ceil(8) as usize),
            columns: info.comp_width(index) as usize,
        };
        let row = component.columns.checked_mul(component.step)?;
        let rows_before = (info.comp_height(index) as usize).checked_sub(1)?;
        // Rows that overlap would make a picture larger than its buffer.
        if row == 0 || (rows_before > 0 && component.stride < row) {
            return None;
        }
        let last_row = rows_before.checked_mul(component.stride)?;
        let end = component.plane.checked_add(last_row)?.checked_add(row)?;
        (end <= buffer.size()).then_some(component)
    };
    find().ok_or_else(|| {
        BadPicture(format!(
            "a buffer of {} bytes is too small for {} of {width}x{height} with strides {:?}",
            buffer.size(),
            info.format(),
            &strides[..strides.len().min(info.n_planes() as usize)]
        ))
    })
}
