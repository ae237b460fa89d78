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
use propainter::{Frame, InpaintedFrame, Mask, Rect};

use crate::propainter::video::{
    alpha::Opacity,
    channels::RgbChannels,
    device::{
        self,
        transfer::{Bits, DeviceTransfer},
    },
    device_planes::{Planes, cropped, part},
    formats::FORMATS,
    layout::{
        Component,
        bit_fields::{Packing, Unpacked},
        component,
        error::InvalidBuffer,
        readable,
        sample::{ByteSample, Sample, SampleFormat},
    },
    packed,
    planar::{READ_BITS, Subsampling, Yuv},
    reading::{Coming, Reading},
};

/// The index of the component that is alpha.
pub(super) const ALPHA: usize = 3;

/// The colour model of the samples.
#[derive(Clone, Copy, Debug)]
enum ColorModel {
    /// A pixel has `step` bytes; red, green and blue are at these offsets.
    Packed {
        step: usize,
        rgb: [usize; 3],
    },
    Rgb(RgbChannels),
    Yuv(Yuv),
}

impl ColorModel {
    fn of(info: &VideoInfo) -> Self {
        let format = info.format_info();
        if info.is_rgb() {
            let depths = [0, 1, 2].map(|c| info.comp_depth(c));
            if depths == [8; 3] && info.n_planes() == 1 {
                let step = info.comp_pstride(0) as usize;
                let rgb = [0, 1, 2].map(|c| info.comp_poffset(c) as usize);
                return Self::Packed { step, rgb };
            }
            return Self::Rgb(RgbChannels::new(depths));
        }
        let colorimetry = info.colorimetry();
        // Without a known matrix BT.601 is used, as everywhere.
        let matrix = colorimetry.matrix().kr_kb().unwrap_or((0.299, 0.114));
        let (full, chroma) = if info.is_gray() {
            // Gray has full range unless the caps say otherwise.
            (colorimetry.range() != VideoColorRange::Range16_235, None)
        } else {
            let (across, down) = (format.w_sub()[1], format.h_sub()[1]);
            let full = colorimetry.range() == VideoColorRange::Range0_255;
            (full, Some(Subsampling { across, down }))
        };
        Self::Yuv(Yuv::new(matrix, full, info.comp_depth(0), chroma))
    }

    /// Reads samples, which have at most [`READ_BITS`] bits in YUV, into RGB.
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
        done: &InpaintedFrame,
    ) {
        match self {
            Self::Packed { step, rgb } => packed::write(bytes, components[0], (step, rgb), done),
            Self::Rgb(rgb) => rgb.write(sample, bytes, components, done),
            Self::Yuv(yuv) => yuv.write(sample, bytes, components, done),
        }
    }
}

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

    fn size(&self) -> (usize, usize) {
        (self.info.width() as usize, self.info.height() as usize)
    }

    /// Begins to read a buffer. A buffer on the host is converted at once; one on a device must not be
    /// written, nor given away, while the reading is there.
    ///
    /// # Errors
    /// As [`Converter::read`].
    pub fn begin(&self, buffer: &gst::BufferRef) -> Result<Reading, InvalidBuffer> {
        let Some(device) = &self.device else {
            return Ok(Reading::Done(self.read_host(buffer)?));
        };
        let (width, height) = self.size();
        let planes = Planes::new(&self.info, buffer, &Rect::whole([height, width]))?;
        let download = device.read(buffer, &planes.rows).map_err(InvalidBuffer)?;
        Ok(Reading::Coming(Arc::new(Coming {
            planes,
            download,
            converter: self.clone(),
        })))
    }

    /// Converts a buffer to RGB.
    ///
    /// # Errors
    /// The buffer cannot be read, or is too small for its caps.
    pub fn read(&self, buffer: &gst::BufferRef) -> Result<Frame, InvalidBuffer> {
        self.begin(buffer)?.frame()
    }

    fn read_host(&self, buffer: &gst::BufferRef) -> Result<Frame, InvalidBuffer> {
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
        let hole = done.hole.area();
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
