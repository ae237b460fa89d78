//! Pictures between a stream's own format and the session's RGB.
//!
//! Buffers are read and written through their strides and offsets (from `GstVideoMeta`
//! where there is one), checked against the buffer's size. Chroma that several pixels share
//! is replicated on the way in and averaged on the way out.

use std::{fmt, ops::Range};

use gst_video::{VideoColorRange, VideoFormat, VideoInfo, VideoMeta};
use propainter::{Done, Frame};

use super::color::Coefficients;

/// What the pads take.
pub const FORMATS: [VideoFormat; 5] = [
    VideoFormat::Rgb,
    VideoFormat::Rgba,
    VideoFormat::Bgrx,
    VideoFormat::Nv12,
    VideoFormat::I420,
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
    /// Red, green and blue of a pixel beside each other, at these bytes of it.
    Packed { step: usize, rgb: [usize; 3] },
    /// Luma for each pixel; one chroma sample for `1 << across` by `1 << down` pixels.
    Yuv {
        colors: Coefficients,
        across: u32,
        down: u32,
    },
}

/// Where one component lies in a buffer, in bytes.
#[derive(Clone, Copy, Debug)]
struct Component {
    /// First byte of its plane.
    plane: usize,
    stride: usize,
    /// From sample to sample.
    step: usize,
    /// First sample within the step.
    first: usize,
    columns: usize,
}

impl Component {
    /// The bytes of row `y`, a whole number of steps.
    fn row(self, y: usize) -> Range<usize> {
        let start = self.plane + y * self.stride;
        start..start + self.columns * self.step
    }
}

/// Converts the pictures of one caps.
#[derive(Clone, Debug)]
pub struct Converter {
    info: VideoInfo,
    kind: Kind,
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
            Kind::Yuv {
                colors: Coefficients::new(kr, kb, full),
                across: format.w_sub()[1],
                down: format.h_sub()[1],
            }
        };
        let info = info.clone();
        Some(Self { info, kind })
    }

    pub fn info(&self) -> &VideoInfo {
        &self.info
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
        let bytes = readable(buffer)?;
        let (width, height) = self.size();
        let mut rgb = vec![0; 3 * width * height];
        match self.kind {
            Kind::Packed {
                step: 3,
                rgb: order,
            } => {
                read_packed::<3>(&bytes, components[0], order, &mut rgb);
            }
            Kind::Packed { rgb: order, .. } => {
                read_packed::<4>(&bytes, components[0], order, &mut rgb);
            }
            Kind::Yuv {
                colors,
                across: 0,
                down,
            } => read_yuv::<1>(&bytes, components, &colors, down, &mut rgb),
            Kind::Yuv { colors, down, .. } => {
                read_yuv::<2>(&bytes, components, &colors, down, &mut rgb);
            }
        }
        Ok(Frame::new(width, height, rgb))
    }

    /// Writes what was filled into the picture. Nothing else changes: a luma sample or an RGB
    /// pixel is written where it lies in the hole, a chroma sample where every pixel it
    /// covers does.
    ///
    /// # Errors
    /// A buffer that cannot be written, or is too small for its caps.
    pub fn write(&self, buffer: &mut gst::BufferRef, done: &Done) -> Result<(), BadPicture> {
        let components = self.components(buffer)?;
        let mut bytes = buffer
            .map_writable()
            .map_err(|_| BadPicture("the buffer cannot be written".to_owned()))?;
        match self.kind {
            Kind::Packed { step, rgb } => {
                write_packed(&mut bytes, components[0], (step, rgb), done);
            }
            Kind::Yuv {
                colors,
                across,
                down,
            } => {
                write_luma(&mut bytes, components[0], &colors, done);
                write_chroma(&mut bytes, components, &colors, (across, down), done);
            }
        }
        Ok(())
    }

    /// Where the three components lie in this buffer; all of them within it.
    fn components(&self, buffer: &gst::BufferRef) -> Result<[Component; 3], BadPicture> {
        let component = |index| component(&self.info, buffer, index);
        Ok([component(0)?, component(1)?, component(2)?])
    }
}

/// The luma of a GRAY8 picture, row by row without padding; black is 0 in any range.
///
/// # Errors
/// As [`Converter::read`].
pub fn read_gray(info: &VideoInfo, buffer: &gst::BufferRef) -> Result<Vec<u8>, BadPicture> {
    let gray = component(info, buffer, 0)?;
    let bytes = readable(buffer)?;
    let rows = (0..info.height() as usize).flat_map(|y| &bytes[gray.row(y)]);
    let black = match info.colorimetry().range() {
        VideoColorRange::Range16_235 => 16,
        _ => 0,
    };
    Ok(rows.map(|&value| value.saturating_sub(black)).collect())
}

fn readable(
    buffer: &gst::BufferRef,
) -> Result<gst::BufferMap<'_, gst::buffer::Readable>, BadPicture> {
    let map = buffer.map_readable();
    map.map_err(|_| BadPicture("the buffer cannot be read".to_owned()))
}

/// Where a component lies in a buffer: by its meta if it has one, else by the caps.
fn component(
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
            first: info.comp_poffset(index) as usize,
            columns: info.comp_width(index) as usize,
        };
        let last_row = (info.comp_height(index) as usize - 1).checked_mul(component.stride)?;
        let end = component
            .plane
            .checked_add(last_row)?
            .checked_add(component.columns * component.step)?;
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

fn read_packed<const STEP: usize>(
    bytes: &[u8],
    pixels: Component,
    [red, green, blue]: [usize; 3],
    rgb: &mut [u8],
) {
    for (y, out) in rgb.chunks_exact_mut(3 * pixels.columns).enumerate() {
        let (row, _) = bytes[pixels.row(y)].as_chunks::<STEP>();
        for (pixel, out) in row.iter().zip(out.as_chunks_mut::<3>().0) {
            *out = [pixel[red], pixel[green], pixel[blue]];
        }
    }
}

/// `BLOCK` pixels of a row share a chroma sample.
fn read_yuv<const BLOCK: usize>(
    bytes: &[u8],
    [luma, u, v]: [Component; 3],
    colors: &Coefficients,
    down: u32,
    rgb: &mut [u8],
) {
    let mut terms = vec![[0; 3]; u.columns];
    for (y, out) in rgb.chunks_exact_mut(3 * luma.columns).enumerate() {
        if y % (1 << down) == 0 {
            let us = bytes[u.row(y >> down)].chunks_exact(u.step);
            let vs = bytes[v.row(y >> down)].chunks_exact(v.step);
            for (term, (us, vs)) in terms.iter_mut().zip(us.zip(vs)) {
                *term = colors.chroma_terms(us[u.first], vs[v.first]);
            }
        }
        let (out, _) = out.as_chunks_mut::<3>();
        let (blocks, rest) = bytes[luma.row(y)].as_chunks::<BLOCK>();
        let (out_blocks, out_rest) = out.as_chunks_mut::<BLOCK>();
        for ((lumas, out), &term) in blocks.iter().zip(out_blocks).zip(&terms) {
            *out = lumas.map(|luma| colors.rgb(luma, term));
        }
        for (&luma, out) in rest.iter().zip(out_rest) {
            *out = colors.rgb(luma, terms[u.columns - 1]);
        }
    }
}

/// The filled pixels and the hole of row `y`; `None` where the row has no hole.
fn hole_row(done: &Done, y: usize) -> Option<(&[[u8; 3]], &[u8])> {
    let width = done.hole.width();
    let hole = &done.hole.hole()[y * width..][..width];
    if !hole.contains(&1) {
        return None;
    }
    let (rgb, _) = done.frame.rgb()[3 * y * width..][..3 * width].as_chunks::<3>();
    Some((rgb, hole))
}

fn write_packed(
    bytes: &mut [u8],
    pixels: Component,
    (step, order): (usize, [usize; 3]),
    done: &Done,
) {
    for y in 0..done.hole.height() {
        let Some((fill, hole)) = hole_row(done, y) else {
            continue;
        };
        let row = bytes[pixels.row(y)].chunks_exact_mut(step);
        for (pixel, (fill, _)) in row
            .zip(fill.iter().zip(hole))
            .filter(|(_, (_, h))| **h == 1)
        {
            for (&at, &value) in order.iter().zip(fill) {
                pixel[at] = value;
            }
        }
    }
}

fn write_luma(bytes: &mut [u8], luma: Component, colors: &Coefficients, done: &Done) {
    for y in 0..done.hole.height() {
        let Some((fill, hole)) = hole_row(done, y) else {
            continue;
        };
        let row = &mut bytes[luma.row(y)];
        for ((out, &fill), &hole) in row.iter_mut().zip(fill).zip(hole) {
            *out = if hole == 1 { colors.luma(fill) } else { *out };
        }
    }
}

fn write_chroma(
    bytes: &mut [u8],
    [_, u, v]: [Component; 3],
    colors: &Coefficients,
    (across, down): (u32, u32),
    done: &Done,
) {
    let (width, height) = (done.hole.width(), done.hole.height());
    let mut sums = vec![[0; 3]; u.columns];
    let mut whole = vec![0; u.columns];
    for top in (0..height).step_by(1 << down) {
        let rows = top..height.min(top + (1 << down));
        if rows.clone().any(|y| hole_row(done, y).is_none()) {
            continue;
        }
        sums.fill([0; 3]);
        whole.fill(1);
        for (fill, hole) in rows.clone().filter_map(|y| hole_row(done, y)) {
            let blocks = fill.chunks(1 << across).zip(hole.chunks(1 << across));
            for ((fill, hole), (sum, whole)) in blocks.zip(sums.iter_mut().zip(&mut whole)) {
                for ([r, g, b], hole) in fill.iter().zip(hole) {
                    sum[0] += i32::from(*r);
                    sum[1] += i32::from(*g);
                    sum[2] += i32::from(*b);
                    *whole &= hole;
                }
            }
        }
        let (us, vs) = (u.row(top >> down).start, v.row(top >> down).start);
        for (column, (&sum, _)) in sums
            .iter()
            .zip(&whole)
            .enumerate()
            .filter(|(_, (_, w))| **w == 1)
        {
            // At odd edges a sample covers 1 or 2 pixels in place of 2 or 4.
            let covered = rows.len() * (width - (column << across)).min(1 << across);
            let [new_u, new_v] = colors.chroma(sum, covered.ilog2());
            bytes[us + column * u.step + u.first] = new_u;
            bytes[vs + column * v.step + v.first] = new_v;
        }
    }
}

#[cfg(test)]
mod tests;
