//! The converter between the video format of a stream and the RGB of a session.
//!
//! Buffers are read and written through their strides and offsets (from `GstVideoMeta` if there is
//! one), which are checked against the size of the buffer. Chroma that several pixels share is
//! replicated on reading and averaged on writing. The engine works on 8 bits: samples of more bits
//! are rounded on reading, and the fill is converted back to all bits on writing.
//!
//! Most formats follow from GStreamer's description of their components ([`super::layout`]);
//! those whose samples are bit fields are unpacked first ([`super::layout::bit_fields`]).

use std::sync::Arc;

use gst_video::{VideoColorRange, VideoInfo};
use propainter::{Frame, InpaintedFrame, Mask, internals::device_frames::Samples};

use crate::propainter::video::{
    alpha::Opacity,
    color_model::ColorModel,
    device::{
        self,
        planes::{Planes, cropped, part},
        transfer::{Bits, DeviceTransfer},
    },
    formats::FORMATS,
    layout::{
        Component,
        bit_fields::{Packing, Unpacked},
        component,
        error::InvalidBuffer,
        readable,
        sample::{ByteSample, SampleFormat},
    },
    planar::READ_BITS,
};

/// The index of the component that is alpha.
pub(super) const ALPHA: usize = 3;

/// Converts the frames of one caps.
#[derive(Clone, Debug)]
pub struct Converter {
    info: VideoInfo,
    model: ColorModel,
    samples: SampleFormat,
    /// How samples are packed if they do not have bytes of their own.
    packing: Option<&'static Packing>,
    /// Pixels of more transparency (255 - alpha) are hole and become opaque.
    alpha_threshold: Option<u8>,
    /// Reads and writes the buffers if they are in the memory of a device.
    device: Option<Arc<dyn DeviceTransfer>>,
}

impl Converter {
    /// Returns the converter for frames of these caps; `None` for a format that is not in
    /// [`FORMATS`].
    pub fn new(info: &VideoInfo) -> Option<Self> {
        if !FORMATS.contains(&info.format()) {
            return None;
        }
        let packing = Packing::of(info.format());
        let samples = match packing {
            Some(_) => SampleFormat::unpacked(info.comp_depth(0)),
            None => SampleFormat::of(info)?,
        };
        Some(Self {
            info: info.clone(),
            model: ColorModel::of(info),
            samples,
            packing,
            alpha_threshold: None,
            device: None,
        })
    }

    /// Returns the caps of the frames.
    pub fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// Returns how samples are packed if they do not have bytes of their own.
    pub(super) fn packing(&self) -> Option<&'static Packing> {
        self.packing
    }

    pub(super) fn samples(&self) -> SampleFormat {
        self.samples
    }

    pub(super) fn alpha_threshold(&self) -> Option<u8> {
        self.alpha_threshold
    }

    /// Returns whether the frames lie in the memory of a GPU.
    pub fn is_on_device(&self) -> bool {
        self.device.is_some()
    }

    /// Returns the converter for frames in the memory of a device; `None` for a format that is not
    /// supported there.
    pub fn with_device(self, transfer: Arc<dyn DeviceTransfer>) -> Option<Self> {
        device::is_supported(&self.info).then_some(Self {
            device: Some(transfer),
            ..self
        })
    }

    /// Returns a converter for which pixels of more transparency than `threshold` are hole and become
    /// opaque. `None` leaves alpha alone.
    pub fn with_alpha_threshold(self: &Arc<Self>, threshold: Option<u8>) -> Arc<Self> {
        let alpha_threshold = threshold.filter(|_| self.has_alpha());
        if alpha_threshold == self.alpha_threshold {
            return self.clone();
        }
        Arc::new(Self {
            alpha_threshold,
            ..Self::clone(self)
        })
    }

    /// Returns whether pixels have alpha. GStreamer has no flag for the alpha of some formats.
    pub fn has_alpha(&self) -> bool {
        self.info.n_components() == 4
    }

    /// Returns whether pixels are hole by their alpha.
    pub fn has_alpha_mask(&self) -> bool {
        self.alpha_threshold.is_some()
    }

    /// Returns width and height in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.info.width() as usize, self.info.height() as usize)
    }

    /// Returns what reads and writes the buffers if they are in the memory of a device.
    pub fn device(&self) -> Option<&dyn DeviceTransfer> {
        self.device.as_deref()
    }

    /// Returns how a device turns the samples into RGB; `None` if the host has to.
    pub fn device_samples(&self) -> Option<Samples> {
        let depth = self.info.comp_depth(0) as usize;
        match self.model {
            _ if self.has_alpha_mask() || !device::is_supported(&self.info) => None,
            ColorModel::Packed { step, rgb } => Some(Samples::Packed { step, rgb }),
            ColorModel::Yuv(yuv) => Some(Samples::SemiPlanar {
                bytes: depth.div_ceil(8),
                // Samples of more than 8 bits are the upper bits of their words.
                shift: depth.next_multiple_of(8) - depth,
                matrix: yuv.matrix(),
            }),
            ColorModel::Rgb(_) => None,
        }
    }

    /// Converts a buffer on the host to RGB.
    ///
    /// # Errors
    /// The buffer cannot be read, or is too small for its caps.
    pub fn read(&self, buffer: &gst::BufferRef) -> Result<Frame, InvalidBuffer> {
        if let Some(packing) = self.packing {
            let mut unpacked = Unpacked::new(packing, &self.info, buffer)?;
            unpacked.unpack(&readable(buffer)?, 0..3, 0..self.size().1);
            let components = [0, 1, 2].map(|c| unpacked.component(c));
            return Ok(self.read_samples(&unpacked.bytes, components));
        }
        let components = self.components(buffer)?;
        Ok(self.read_samples(&readable(buffer)?, components))
    }

    /// Converts the samples of a whole frame to RGB.
    pub fn read_samples(&self, bytes: &[u8], components: [Component; 3]) -> Frame {
        let (width, height) = self.size();
        let mut rgb = vec![0; 3 * width * height];
        let samples = match self.model {
            ColorModel::Yuv(_) => self.samples.upper(READ_BITS),
            _ => self.samples,
        };
        match samples {
            SampleFormat::Bytes => self.model.read(ByteSample, bytes, components, &mut rgb),
            SampleFormat::Little(word) => self.model.read(word, bytes, components, &mut rgb),
            SampleFormat::Big(word) => self.model.read(word, bytes, components, &mut rgb),
        }
        Frame::new(width, height, rgb)
    }

    /// Returns the mask of the pixels that are hole by their alpha; `None` if there are none.
    ///
    /// # Errors
    /// See [`Converter::read`].
    pub fn alpha_mask(&self, buffer: &gst::BufferRef) -> Result<Option<Mask>, InvalidBuffer> {
        let Some(opacity) = self.opacity() else {
            return Ok(None);
        };
        let height = self.size().1;
        let hole = if let Some(packing) = self.packing {
            let mut unpacked = Unpacked::new(packing, &self.info, buffer)?;
            unpacked.unpack(&readable(buffer)?, ALPHA..ALPHA + 1, 0..height);
            let alpha = unpacked.component(ALPHA);
            opacity.transparent(self.samples, &unpacked.bytes, alpha, height)
        } else {
            let alpha = component(&self.info, buffer, ALPHA as u8)?;
            opacity.transparent(self.samples, &readable(buffer)?, alpha, height)
        };
        Ok(self.mask(hole))
    }

    /// Returns [`Converter::alpha_mask`] of a whole frame whose planes are on the host.
    pub fn alpha_mask_of(&self, bytes: &[u8], planes: &Planes) -> Option<Mask> {
        let alpha = *planes.components.get(ALPHA)?;
        let height = self.size().1;
        self.mask(
            self.opacity()?
                .transparent(self.samples, bytes, alpha, height),
        )
    }

    /// Returns the mask of the pixels that are 1; `None` if there are none.
    fn mask(&self, hole: Vec<u8>) -> Option<Mask> {
        let (width, height) = self.size();
        hole.contains(&1)
            .then(|| Mask::from_luma(width, height, hole))
    }

    /// Returns which alpha is hole, if any.
    fn opacity(&self) -> Option<Opacity> {
        let threshold = self.alpha_threshold?;
        let depth = self.info.comp_depth(ALPHA as u8);
        Some(Opacity::new(depth, threshold))
    }

    /// Writes the fill into the buffer. A luma sample or an RGB pixel is written if it lies in the
    /// hole, a chroma sample if every pixel that it covers does, alpha if it made the hole. Nothing
    /// else changes.
    ///
    /// # Errors
    /// The buffer cannot be written, or is too small for its caps.
    pub fn write(
        &self,
        buffer: &mut gst::BufferRef,
        done: &InpaintedFrame,
    ) -> Result<(), InvalidBuffer> {
        if let Some(packing) = self.packing {
            let rows = done.hole.bounding_box().rows;
            let mut unpacked = Unpacked::new(packing, &self.info, buffer)?;
            let mut bytes = writable(buffer)?;
            unpacked.unpack(&bytes, 0..unpacked.components(), rows.clone());
            let components = [0, 1, 2].map(|c| unpacked.component(c));
            let alpha = self.opacity().map(|o| (o, unpacked.component(ALPHA)));
            self.write_samples(&mut unpacked.bytes, components, alpha, done);
            unpacked.pack(&mut bytes, rows);
            return Ok(());
        }
        if let Some(device) = &self.device {
            return self.write_on_device(&**device, buffer, done);
        }
        let components = self.components(buffer)?;
        let alpha = self
            .opacity()
            .map(|opacity| Ok((opacity, component(&self.info, buffer, ALPHA as u8)?)))
            .transpose()?;
        self.write_samples(&mut writable(buffer)?, components, alpha, done);
        Ok(())
    }

    fn write_on_device(
        &self,
        device: &dyn DeviceTransfer,
        buffer: &mut gst::BufferRef,
        done: &InpaintedFrame,
    ) -> Result<(), InvalidBuffer> {
        let hole = done.hole.bounding_box();
        if hole.is_empty() {
            return Ok(());
        }
        let part = part(&self.info, &hole);
        let done = cropped(done, &part);
        let planes = Planes::new(&self.info, buffer, &part)?;
        let alpha = self
            .opacity()
            .map(|opacity| (opacity, planes.components[ALPHA]));
        let write = |bytes: &mut [u8]| self.write_samples(bytes, planes.colors(), alpha, &done);
        let bits = match alpha {
            None => planes.bits(write),
            // New alpha depends on the old one.
            Some(_) => {
                let old = device.read(buffer, &planes.rows).map_err(InvalidBuffer)?;
                let mut new = old.bytes().map_err(InvalidBuffer)?.to_vec();
                write(&mut new);
                let kept = vec![0; new.len()];
                Bits { new, kept }
            }
        };
        device
            .write(buffer, &planes.rows, &bits)
            .map_err(InvalidBuffer)
    }

    fn write_samples(
        &self,
        bytes: &mut [u8],
        components: [Component; 3],
        alpha: Option<(Opacity, Component)>,
        done: &InpaintedFrame,
    ) {
        match self.samples {
            SampleFormat::Bytes => self.model.write(ByteSample, bytes, components, done),
            SampleFormat::Little(word) => self.model.write(word, bytes, components, done),
            SampleFormat::Big(word) => self.model.write(word, bytes, components, done),
        }
        if let Some((opacity, alpha)) = alpha {
            opacity.write_opaque(self.samples, bytes, alpha, done);
        }
    }

    /// Returns where the three components lie in this buffer. All of them are within it, and alpha
    /// is, too. For gray all three are the same.
    fn components(&self, buffer: &gst::BufferRef) -> Result<[Component; 3], InvalidBuffer> {
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

/// Maps a buffer for writing.
///
/// # Errors
/// The buffer cannot be mapped.
pub(super) fn writable(
    buffer: &mut gst::BufferRef,
) -> Result<gst::BufferMap<'_, gst::buffer::Writable>, InvalidBuffer> {
    let map = buffer.map_writable();
    map.map_err(|_| InvalidBuffer("the buffer cannot be written".to_owned()))
}

/// Returns the luma of a GRAY8 buffer in full range, row by row without padding.
///
/// # Errors
/// See [`Converter::read`].
pub fn read_gray(info: &VideoInfo, buffer: &gst::BufferRef) -> Result<Vec<u8>, InvalidBuffer> {
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
