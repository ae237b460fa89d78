//! Where the samples of a frame lie in a buffer, and how they are stored ([`sample`],
//! [`bit_fields`]).

pub mod bit_fields;
pub mod error;
pub mod sample;

use std::ops::Range;

use gst_video::{VideoFormat, VideoInfo, VideoMeta};

use crate::propainter::video::layout::error::InvalidBuffer;

/// The place of one component in a buffer, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Component {
    /// First byte of its plane.
    pub plane: usize,
    pub stride: usize,
    /// Distance from sample to sample.
    pub step: usize,
    /// Offset of the first sample.
    pub first: usize,
    pub columns: usize,
}

impl Component {
    /// Returns the bytes of row `y`, a whole number of steps.
    pub fn row(self, y: usize) -> Range<usize> {
        let start = self.plane + y * self.stride;
        start..start + self.columns * self.step
    }
}

/// The place of a plane in a buffer, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Plane {
    pub offset: usize,
    pub stride: usize,
}

impl Plane {
    /// Finds a plane: by the meta of the buffer if there is one, otherwise by the caps.
    ///
    /// # Errors
    /// The meta contradicts the caps.
    pub fn of(
        info: &VideoInfo,
        buffer: &gst::BufferRef,
        plane: usize,
    ) -> Result<Self, InvalidBuffer> {
        let (width, height) = (info.width(), info.height());
        let meta = buffer.meta::<VideoMeta>();
        let (offsets, strides) = match &meta {
            Some(meta) => {
                if (meta.format(), meta.width(), meta.height()) != (info.format(), width, height) {
                    return Err(InvalidBuffer(format!(
                        "the meta of a buffer says {} of {}x{}, but the caps say {} of {width}x{height}",
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
        let find = || {
            Some(Self {
                offset: *offsets.get(plane)?,
                stride: usize::try_from(*strides.get(plane)?).ok()?,
            })
        };
        find().ok_or_else(|| too_small(info, buffer))
    }

    /// Returns whether `rows` rows of `row` bytes lie within `size` bytes and do not overlap,
    /// as a frame would be larger than its buffer then.
    pub fn holds(self, row: usize, rows: usize, size: usize) -> bool {
        let end = || {
            let rows_before = rows.checked_sub(1)?;
            if row == 0 || (rows_before > 0 && self.stride < row) {
                return None;
            }
            let last_row = rows_before.checked_mul(self.stride)?;
            self.offset.checked_add(last_row)?.checked_add(row)
        };
        end().is_some_and(|end| end <= size)
    }
}

/// Returns the error for a buffer whose planes lie beyond its end.
pub fn too_small(info: &VideoInfo, buffer: &gst::BufferRef) -> InvalidBuffer {
    let meta = buffer.meta::<VideoMeta>();
    let strides = meta.as_ref().map_or(info.stride(), |meta| meta.stride());
    InvalidBuffer(format!(
        "a buffer of {} bytes is too small for {} of {}x{} with strides {:?}",
        buffer.size(),
        info.format(),
        info.width(),
        info.height(),
        &strides[..strides.len().min(info.n_planes() as usize)]
    ))
}

/// Maps a buffer for reading.
///
/// # Errors
/// The buffer cannot be mapped.
pub fn readable(
    buffer: &gst::BufferRef,
) -> Result<gst::BufferMap<'_, gst::buffer::Readable>, InvalidBuffer> {
    let map = buffer.map_readable();
    map.map_err(|_| InvalidBuffer("the buffer cannot be read".to_owned()))
}

/// Returns the offset of a component's first sample within its step.
fn first(info: &VideoInfo, index: u8) -> usize {
    let own = match info.format() {
        // GStreamer 1.22 describes these differently, but packs like this.
        VideoFormat::Y210 | VideoFormat::Y212Le | VideoFormat::Y212Be => [0, 2, 6, 0],
        VideoFormat::Y412Le | VideoFormat::Y412Be => [2, 0, 4, 6],
        VideoFormat::Vyuy => [1, 2, 0, 0],
        // It places V of P010 one byte in, which is in the middle of U.
        _ => {
            let size = info.comp_depth(index).div_ceil(8) as usize;
            return (info.comp_poffset(index) as usize).next_multiple_of(size);
        }
    };
    own[usize::from(index)]
}

/// Finds a component in a buffer.
///
/// # Errors
/// The buffer is too small for its caps.
pub fn component(
    info: &VideoInfo,
    buffer: &gst::BufferRef,
    index: u8,
) -> Result<Component, InvalidBuffer> {
    let plane = Plane::of(info, buffer, info.comp_plane(index) as usize)?;
    let find = || {
        let component = Component {
            plane: plane.offset,
            stride: plane.stride,
            step: usize::try_from(info.comp_pstride(index)).ok()?,
            first: first(info, index),
            columns: info.comp_width(index) as usize,
        };
        let row = component.columns.checked_mul(component.step)?;
        let rows = info.comp_height(index) as usize;
        plane.holds(row, rows, buffer.size()).then_some(component)
    };
    find().ok_or_else(|| too_small(info, buffer))
}
