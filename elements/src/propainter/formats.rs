//! Pictures between a stream's own format and the session's RGB.
//!
//! Buffers are read and written through their strides and offsets (from `GstVideoMeta`
//! where there is one), checked against the buffer's size. Chroma that several pixels share
//! is replicated on the way in and averaged on the way out. Samples of 10 bits become RGB of 8
//! with the precision they have, and are written as 10 bits again.

mod layout;
mod on_device;
mod packed;
mod planar;

use std::{fmt, ops::Range, sync::Arc};

use gst_video::{VideoColorRange, VideoFormat, VideoInfo};
use propainter::{Done, Frame, Mask};

use self::{
    layout::{Component, component, readable},
    planar::{Eight, Ten, Yuv},
};
use super::{
    color::Coefficients,
    device_memory::{self, DeviceCopies},
};

/// What the pads take.
pub const FORMATS: [VideoFormat; 12] = [
    VideoFormat::Rgb,
    VideoFormat::Bgr,
    VideoFormat::Rgbx,
    VideoFormat::Bgrx,
    VideoFormat::Rgba,
    VideoFormat::Bgra,
    VideoFormat::Nv12,
    VideoFormat::I420,
    VideoFormat::Y42b,
    VideoFormat::Y444,
    VideoFormat::P01010le,
    VideoFormat::I42010le,
];

/// Why a buffer is no picture of its caps.
#[derive(Debug, PartialEq, Eq)]
pub struct BadPicture(String);

impl fmt::Display for BadPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How pixels are stored.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A pixel is `step` bytes, its red, green and blue at these of them.
    Packed {
        step: usize,
        rgb: [usize; 3],
    },
    Yuv8(Yuv),
    /// 10 bits at the low end of a word.
    Yuv10(Yuv),
    /// 10 bits at the high end of a word.
    YuvHigh10(Yuv),
}

/// Converts the pictures of one caps.
#[derive(Clone, Debug)]
pub struct Converter {
    info: VideoInfo,
    kind: Kind,
    /// Pixels that let more through (255 less their alpha) are hole and become opaque.
    see_through: Option<u8>,
    /// Where the buffers are, if not on the host.
    device: Option<Arc<dyn DeviceCopies>>,
}

impl Converter {
    /// `None` for a format that is not among [`FORMATS`].
    pub fn new(info: &VideoInfo) -> Option<Self> {
        let kind = if !FORMATS.contains(&info.format()) {
            return None;
        } else if info.is_rgb() {
            let step = info.comp_pstride(0) as usize;
            let rgb = [0, 1, 2].map(|c| info.comp_poffset(c) as usize);
            Kind::Packed { step, rgb }
        } else {
            let colorimetry = info.colorimetry();
            // Caps without a matrix that means something: BT.601, as everybody reads them.
            let (kr, kb) = colorimetry.matrix().kr_kb().unwrap_or((0.299, 0.114));
            let full = colorimetry.range() == VideoColorRange::Range0_255;
            let format = info.format_info();
            let (depth, shift) = (info.comp_depth(0), format.shift()[0]);
            let yuv = Yuv {
                colors: Coefficients::new(kr, kb, full, depth),
                across: format.w_sub()[1],
                down: format.h_sub()[1],
            };
            match (depth, shift) {
                (8, 0) => Kind::Yuv8(yuv),
                (10, 0) => Kind::Yuv10(yuv),
                (10, 6) => Kind::YuvHigh10(yuv),
                _ => return None,
            }
        };
        Some(Self {
            info: info.clone(),
            kind,
            see_through: None,
            device: None,
        })
    }

    pub fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// For pictures in a device's memory; `None` for a format that is not taken from there.
    pub fn on_device(self, copies: Arc<dyn DeviceCopies>) -> Option<Self> {
        device_memory::takes(&self.info).then_some(Self {
            device: Some(copies),
            ..self
        })
    }

    /// This converter, or one that takes pixels for hole which let more than `threshold`
    /// through, and makes them opaque. `None` leaves alpha alone.
    pub fn see_through(self: &Arc<Self>, threshold: Option<u8>) -> Arc<Self> {
        let see_through = threshold.filter(|_| self.info.has_alpha());
        if see_through == self.see_through {
            return self.clone();
        }
        Arc::new(Self {
            see_through,
            ..Self::clone(self)
        })
    }

    fn size(&self) -> (usize, usize) {
        (self.info.width() as usize, self.info.height() as usize)
    }

    /// The picture as RGB.
    ///
    /// # Errors
    /// A buffer that cannot be read, or is too small for its caps.
    pub fn read(&self, buffer: &gst::BufferRef) -> Result<Frame, BadPicture> {
        let components = self.components(buffer)?;
        let (width, height) = self.size();
        let mut rgb = vec![0; 3 * width * height];
        if let (Some(copies), Kind::Yuv8(yuv)) = (&self.device, &self.kind) {
            on_device::read(yuv, &**copies, buffer, components, height, &mut rgb)?;
            return Ok(Frame::new(width, height, rgb));
        }
        let bytes = readable(buffer)?;
        let out = rgb.as_mut_slice();
        match self.kind {
            Kind::Packed {
                step: 3,
                rgb: [0, 1, 2],
            } => packed::copy(&bytes, components[0], out),
            Kind::Packed { step: 3, rgb } => packed::read::<3>(&bytes, components[0], rgb, out),
            Kind::Packed { rgb, .. } => packed::read::<4>(&bytes, components[0], rgb, out),
            Kind::Yuv8(yuv) => yuv.read::<Eight>(&bytes, components, out),
            Kind::Yuv10(yuv) => yuv.read::<Ten<0>>(&bytes, components, out),
            Kind::YuvHigh10(yuv) => yuv.read::<Ten<6>>(&bytes, components, out),
        }
        Ok(Frame::new(width, height, rgb))
    }

    /// The pixels that are hole by their alpha; `None` where there is none.
    ///
    /// # Errors
    /// As [`Converter::read`].
    pub fn transparent(&self, buffer: &gst::BufferRef) -> Result<Option<Mask>, BadPicture> {
        let Some(threshold) = self.see_through else {
            return Ok(None);
        };
        let alpha = component(&self.info, buffer, 3)?;
        let (width, height) = self.size();
        let hole = packed::transparent(&readable(buffer)?, alpha, height, threshold);
        Ok(hole
            .contains(&1)
            .then(|| Mask::from_luma(width, height, hole)))
    }

    /// Writes what was filled into the picture. Nothing else changes: a luma sample or an RGB
    /// pixel is written where it lies in the hole, a chroma sample where every pixel it
    /// covers does, alpha where it made the hole.
    ///
    /// # Errors
    /// A buffer that cannot be written, or is too small for its caps.
    pub fn write(&self, buffer: &mut gst::BufferRef, done: &Done) -> Result<(), BadPicture> {
        let components = self.components(buffer)?;
        if let (Some(copies), Kind::Yuv8(yuv)) = (&self.device, &self.kind) {
            return on_device::write(yuv, &**copies, buffer, components, done);
        }
        let alpha = self
            .see_through
            .map(|threshold| Ok((component(&self.info, buffer, 3)?, threshold)))
            .transpose()?;
        let mut bytes = buffer
            .map_writable()
            .map_err(|_| BadPicture("the buffer cannot be written".to_owned()))?;
        match self.kind {
            Kind::Packed { step, rgb } => {
                packed::write(&mut bytes, components[0], (step, rgb), done);
            }
            Kind::Yuv8(yuv) => yuv.write::<Eight>(&mut bytes, components, done),
            Kind::Yuv10(yuv) => yuv.write::<Ten<0>>(&mut bytes, components, done),
            Kind::YuvHigh10(yuv) => yuv.write::<Ten<6>>(&mut bytes, components, done),
        }
        if let Some((alpha, threshold)) = alpha {
            packed::write_opaque(&mut bytes, alpha, threshold, done);
        }
        Ok(())
    }

    /// Where the three components lie in this buffer; all of them within it.
    fn components(&self, buffer: &gst::BufferRef) -> Result<[Component; 3], BadPicture> {
        let component = |index| component(&self.info, buffer, index);
        Ok([component(0)?, component(1)?, component(2)?])
    }
}

/// The luma of a GRAY8 picture in full range, row by row without padding.
///
/// # Errors
/// As [`Converter::read`].
pub fn read_gray(info: &VideoInfo, buffer: &gst::BufferRef) -> Result<Vec<u8>, BadPicture> {
    let gray = component(info, buffer, 0)?;
    let bytes = readable(buffer)?;
    let rows = (0..info.height() as usize).flat_map(|y| &bytes[gray.row(y)]);
    Ok(match info.colorimetry().range() {
        VideoColorRange::Range16_235 => {
            let full = |&value: &u8| (u32::from(value.clamp(16, 235)) - 16) * 255 + 109;
            rows.map(|value| (full(value) / 219) as u8).collect()
        }
        _ => rows.copied().collect(),
    })
}

/// The filled pixels and the hole of these columns of row `y`.
fn hole_row<'a>(done: &'a Done, y: usize, columns: &Range<usize>) -> (&'a [[u8; 3]], &'a [u8]) {
    let first = y * done.hole.width();
    let pixels = first + columns.start..first + columns.end;
    let (rgb, _) = done.frame.rgb().as_chunks::<3>();
    (&rgb[pixels.clone()], &done.hole.hole()[pixels])
}

/// The rows and columns that the hole lies in, each row with its [`hole_row`].
fn holes(done: &Done) -> impl Iterator<Item = (usize, Range<usize>, &[[u8; 3]], &[u8])> {
    let area = done.hole.area();
    area.rows.map(move |y| {
        let (fill, hole) = hole_row(done, y, &area.columns);
        (y, area.columns.clone(), fill, hole)
    })
}

#[cfg(test)]
mod tests;
