//! Pictures between a stream's own format and the session's RGB.
//!
//! Buffers are read and written through their strides and offsets (from `GstVideoMeta`
//! where there is one), checked against the buffer's size. Chroma that several pixels share
//! is replicated on the way in and averaged on the way out. Samples of more than 8 bits become
//! RGB of 8 with the precision they have, and are written with all their bits.
//!
//! Most formats follow from GStreamer's description of their components ([`super::layout`]);
//! those whose samples are bit fields are unpacked first ([`super::layout::bit_fields`]).

use std::sync::Arc;

use gst_video::{VideoColorRange, VideoInfo};
use propainter::{Done, Frame, Mask};

use crate::propainter::video::{
    alpha::Opacity,
    channels::Rgb,
    device::{self, DeviceCopies, planes},
    error::BadPicture,
    formats::FORMATS,
    layout::{
        Component,
        bit_fields::{Packing, Unpacked},
        component, readable,
        sample::{Eight, Sample, Stored},
    },
    packed,
    planar::{SEEN, Subsampling, Yuv},
};

/// The index of the component that is alpha.
const ALPHA: usize = 3;

/// What samples mean.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A pixel is `step` bytes, its red, green and blue at these of them.
    Packed {
        step: usize,
        rgb: [usize; 3],
    },
    Rgb(Rgb),
    Yuv(Yuv),
}

impl Kind {
    fn of(info: &VideoInfo) -> Self {
        let format = info.format_info();
        if info.is_rgb() {
            let depths = [0, 1, 2].map(|c| info.comp_depth(c));
            if depths == [8; 3] && info.n_planes() == 1 {
                let step = info.comp_pstride(0) as usize;
                let rgb = [0, 1, 2].map(|c| info.comp_poffset(c) as usize);
                return Self::Packed { step, rgb };
            }
            return Self::Rgb(Rgb::new(depths));
        }
        let colorimetry = info.colorimetry();
        // Caps without a matrix that means something: BT.601, as everybody reads them.
        let matrix = colorimetry.matrix().kr_kb().unwrap_or((0.299, 0.114));
        let (full, chroma) = if info.is_gray() {
            // Gray is of full range unless it says otherwise.
            (colorimetry.range() != VideoColorRange::Range16_235, None)
        } else {
            let (across, down) = (format.w_sub()[1], format.h_sub()[1]);
            let full = colorimetry.range() == VideoColorRange::Range0_255;
            (full, Some(Subsampling { across, down }))
        };
        Self::Yuv(Yuv::new(matrix, full, info.comp_depth(0), chroma))
    }

    /// Reads the colours, of at most [`SEEN`] bits where they are YUV.
    fn read<S: Sample>(self, sample: S, bytes: &[u8], components: [Component; 3], out: &mut [u8]) {
        match self {
            Self::Packed {
                step: 3,
                rgb: [0, 1, 2],
            } => packed::copy(bytes, components[0], out),
            Self::Packed { step: 3, rgb } => packed::read::<3>(bytes, components[0], rgb, out),
            Self::Packed { rgb, .. } => packed::read::<4>(bytes, components[0], rgb, out),
            Self::Rgb(rgb) => rgb.read(sample, bytes, components, out),
            Self::Yuv(yuv) => yuv.read(sample, bytes, components, out),
        }
    }

    fn write<S: Sample>(
        self,
        sample: S,
        bytes: &mut [u8],
        components: [Component; 3],
        done: &Done,
    ) {
        match self {
            Self::Packed { step, rgb } => packed::write(bytes, components[0], (step, rgb), done),
            Self::Rgb(rgb) => rgb.write(sample, bytes, components, done),
            Self::Yuv(yuv) => yuv.write(sample, bytes, components, done),
        }
    }
}

/// Converts the pictures of one caps.
#[derive(Clone, Debug)]
pub struct Converter {
    info: VideoInfo,
    kind: Kind,
    stored: Stored,
    /// How samples are packed that have no bytes of their own.
    packing: Option<&'static Packing>,
    /// Pixels that let more through (255 less their alpha) are hole and become opaque.
    see_through: Option<u8>,
    /// Where the buffers are, if not on the host.
    device: Option<Arc<dyn DeviceCopies>>,
}

impl Converter {
    /// `None` for a format that is not among [`FORMATS`].
    pub fn new(info: &VideoInfo) -> Option<Self> {
        if !FORMATS.contains(&info.format()) {
            return None;
        }
        let packing = Packing::of(info.format());
        let stored = match packing {
            Some(_) => Stored::unpacked(info.comp_depth(0)),
            None => Stored::of(info)?,
        };
        Some(Self {
            info: info.clone(),
            kind: Kind::of(info),
            stored,
            packing,
            see_through: None,
            device: None,
        })
    }

    pub fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// For pictures in a device's memory; `None` for a format that is not taken from there.
    pub fn on_device(self, copies: Arc<dyn DeviceCopies>) -> Option<Self> {
        device::takes(&self.info).then_some(Self {
            device: Some(copies),
            ..self
        })
    }

    /// This converter, or one that takes pixels for hole which let more than `threshold`
    /// through, and makes them opaque. `None` leaves alpha alone.
    pub fn see_through(self: &Arc<Self>, threshold: Option<u8>) -> Arc<Self> {
        let see_through = threshold.filter(|_| self.has_alpha());
        if see_through == self.see_through {
            return self.clone();
        }
        Arc::new(Self {
            see_through,
            ..Self::clone(self)
        })
    }

    /// Whether pixels have alpha; GStreamer has no flag for that of some formats.
    pub fn has_alpha(&self) -> bool {
        self.info.n_components() == 4
    }

    fn size(&self) -> (usize, usize) {
        (self.info.width() as usize, self.info.height() as usize)
    }

    /// The picture as RGB.
    ///
    /// # Errors
    /// A buffer that cannot be read, or is too small for its caps.
    pub fn read(&self, buffer: &gst::BufferRef) -> Result<Frame, BadPicture> {
        let (width, height) = self.size();
        if let Some(packing) = self.packing {
            let mut unpacked = Unpacked::new(packing, &self.info, buffer)?;
            unpacked.unpack(&readable(buffer)?, 0..3, 0..height);
            let components = [0, 1, 2].map(|c| unpacked.component(c));
            return Ok(self.read_samples(&unpacked.bytes, components));
        }
        let components = self.components(buffer)?;
        if let (Some(copies), Kind::Yuv(yuv)) = (&self.device, &self.kind) {
            let mut rgb = vec![0; 3 * width * height];
            planes::read(yuv, &**copies, buffer, components, height, &mut rgb)?;
            return Ok(Frame::new(width, height, rgb));
        }
        Ok(self.read_samples(&readable(buffer)?, components))
    }

    fn read_samples(&self, bytes: &[u8], components: [Component; 3]) -> Frame {
        let (width, height) = self.size();
        let mut rgb = vec![0; 3 * width * height];
        let stored = match self.kind {
            Kind::Yuv(_) => self.stored.upper(SEEN),
            _ => self.stored,
        };
        match stored {
            Stored::Bytes => self.kind.read(Eight, bytes, components, &mut rgb),
            Stored::Little(word) => self.kind.read(word, bytes, components, &mut rgb),
            Stored::Big(word) => self.kind.read(word, bytes, components, &mut rgb),
        }
        Frame::new(width, height, rgb)
    }

    /// The pixels that are hole by their alpha; `None` where there is none.
    ///
    /// # Errors
    /// As [`Converter::read`].
    pub fn transparent(&self, buffer: &gst::BufferRef) -> Result<Option<Mask>, BadPicture> {
        let Some(opacity) = self.opacity() else {
            return Ok(None);
        };
        let (width, height) = self.size();
        let hole = if let Some(packing) = self.packing {
            let mut unpacked = Unpacked::new(packing, &self.info, buffer)?;
            unpacked.unpack(&readable(buffer)?, ALPHA..ALPHA + 1, 0..height);
            let alpha = unpacked.component(ALPHA);
            opacity.transparent(self.stored, &unpacked.bytes, alpha, height)
        } else {
            let alpha = component(&self.info, buffer, ALPHA as u8)?;
            opacity.transparent(self.stored, &readable(buffer)?, alpha, height)
        };
        Ok(hole
            .contains(&1)
            .then(|| Mask::from_luma(width, height, hole)))
    }

    /// Which alpha is hole, if any.
    fn opacity(&self) -> Option<Opacity> {
        let threshold = self.see_through?;
        let depth = self.info.comp_depth(ALPHA as u8);
        Some(Opacity::new(depth, threshold))
    }

    /// Writes what was filled into the picture. Nothing else changes: a luma sample or an RGB
    /// pixel is written where it lies in the hole, a chroma sample where every pixel it
    /// covers does, alpha where it made the hole.
    ///
    /// # Errors
    /// A buffer that cannot be written, or is too small for its caps.
    pub fn write(&self, buffer: &mut gst::BufferRef, done: &Done) -> Result<(), BadPicture> {
        if let Some(packing) = self.packing {
            let rows = done.hole.area().rows;
            let mut unpacked = Unpacked::new(packing, &self.info, buffer)?;
            let mut bytes = writable(buffer)?;
            unpacked.unpack(&bytes, 0..unpacked.components(), rows.clone());
            let components = [0, 1, 2].map(|c| unpacked.component(c));
            let alpha = self.opacity().map(|o| (o, unpacked.component(ALPHA)));
            self.write_samples(&mut unpacked.bytes, components, alpha, done);
            unpacked.pack(&mut bytes, rows);
            return Ok(());
        }
        let components = self.components(buffer)?;
        if let (Some(copies), Kind::Yuv(yuv)) = (&self.device, &self.kind) {
            return planes::write(yuv, &**copies, buffer, components, done);
        }
        let alpha = self
            .opacity()
            .map(|opacity| Ok((opacity, component(&self.info, buffer, ALPHA as u8)?)))
            .transpose()?;
        self.write_samples(&mut writable(buffer)?, components, alpha, done);
        Ok(())
    }

    fn write_samples(
        &self,
        bytes: &mut [u8],
        components: [Component; 3],
        alpha: Option<(Opacity, Component)>,
        done: &Done,
    ) {
        match self.stored {
            Stored::Bytes => self.kind.write(Eight, bytes, components, done),
            Stored::Little(word) => self.kind.write(word, bytes, components, done),
            Stored::Big(word) => self.kind.write(word, bytes, components, done),
        }
        if let Some((opacity, alpha)) = alpha {
            opacity.write_opaque(self.stored, bytes, alpha, done);
        }
    }

    /// Where the three components lie in this buffer; all of them within it, and alpha, too.
    /// Gray is all three.
    fn components(&self, buffer: &gst::BufferRef) -> Result<[Component; 3], BadPicture> {
        let component = |index| component(&self.info, buffer, index);
        if self.info.is_gray() {
            return Ok([component(0)?; 3]);
        }
        if self.has_alpha() {
            component(ALPHA as u8)?;
        }
        Ok([component(0)?, component(1)?, component(2)?])
    }
}

fn writable(
    buffer: &mut gst::BufferRef,
) -> Result<gst::BufferMap<'_, gst::buffer::Writable>, BadPicture> {
    let map = buffer.map_writable();
    map.map_err(|_| BadPicture("the buffer cannot be written".to_owned()))
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
