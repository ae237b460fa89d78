//! A frame that is being read.

use std::sync::Arc;

use gst_video::VideoInfo;
use propainter::{Frame, Mask, Rect};

use crate::propainter::video::{
    converter::Converter,
    device::{
        frames::{CopiedFrame, DeviceFrames},
        planes::Planes,
        transfer::Download,
    },
    layout::error::InvalidBuffer,
};

/// A frame that was read, or is on its way from a device.
#[derive(Clone, Debug)]
pub enum Reading {
    Done(Frame),
    Coming(Arc<Coming>),
    /// Stays on its device.
    Copied(Arc<CopiedFrame>),
    /// Not begun: it is not known yet who reads the buffer.
    Later,
}

/// The samples of a frame on their way from a device.
#[derive(Debug)]
pub struct Coming {
    pub planes: Planes,
    pub download: Box<dyn Download>,
    /// The converter that reads them.
    pub converter: Converter,
}

impl Reading {
    /// Begins to read a buffer. A buffer on the host is converted at once; one on a device must not be
    /// written, nor given away, while the reading is there.
    ///
    /// # Errors
    /// The buffer cannot be read, or is too small for its caps.
    pub fn begin(converter: &Converter, buffer: &gst::BufferRef) -> Result<Self, InvalidBuffer> {
        let Some(device) = converter.device() else {
            return Ok(Self::Done(converter.read(buffer)?));
        };
        let (planes, _) = whole(converter.info(), buffer)?;
        let download = device.read(buffer, &planes.rows).map_err(InvalidBuffer)?;
        Ok(Self::Coming(Arc::new(Coming {
            planes,
            download,
            converter: converter.clone(),
        })))
    }

    /// As [`begin`](Self::begin), but a buffer on the device of the networks is read by them there, if
    /// `frames` has room for it.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn begin_on_device(
        converter: &Converter,
        buffer: &gst::BufferRef,
        frames: &DeviceFrames,
    ) -> Result<Self, InvalidBuffer> {
        let Some((device, samples)) = converter.device().zip(converter.device_samples()) else {
            return Self::begin(converter, buffer);
        };
        let (planes, size) = whole(converter.info(), buffer)?;
        let copied = frames.begin(device, buffer, &planes, samples, size);
        match copied.map_err(InvalidBuffer)? {
            Some(copied) => Ok(Self::Copied(Arc::new(copied))),
            None => Self::begin(converter, buffer),
        }
    }

    /// Returns the reading if it has begun.
    pub fn begun(self) -> Option<Self> {
        (!matches!(self, Self::Later)).then_some(self)
    }

    /// Returns the frame in RGB; waits for it if need be.
    ///
    /// # Errors
    /// The device fails.
    pub fn frame(self) -> Result<Frame, InvalidBuffer> {
        match self {
            Self::Done(frame) => Ok(frame),
            Self::Copied(copied) => copied.frame().map_err(InvalidBuffer),
            Self::Later => Err(InvalidBuffer("the reading has not begun".to_owned())),
            Self::Coming(coming) => {
                let bytes = coming.download.bytes().map_err(InvalidBuffer)?;
                Ok(coming.converter.read_samples(bytes, coming.planes.colors()))
            }
        }
    }

    /// Returns the mask of the pixels of `buffer` that are hole by their alpha, as `converter` says; waits
    /// for the frame if need be.
    ///
    /// # Errors
    /// The device fails; see [`Converter::alpha_mask`].
    pub fn alpha_mask(
        &self,
        converter: &Converter,
        buffer: &gst::BufferRef,
    ) -> Result<Option<Mask>, InvalidBuffer> {
        match self {
            Self::Coming(coming) if converter.has_alpha_mask() => {
                let bytes = coming.download.bytes().map_err(InvalidBuffer)?;
                Ok(converter.alpha_mask_of(bytes, &coming.planes))
            }
            Self::Copied(_) | Self::Later if converter.has_alpha_mask() => {
                Self::begin(converter, buffer)?.alpha_mask(converter, buffer)
            }
            Self::Coming(_) | Self::Copied(_) | Self::Later => Ok(None),
            Self::Done(_) => converter.alpha_mask(buffer),
        }
    }
}

/// Returns the planes and the size (rows, columns) of a whole frame on a device.
fn whole(info: &VideoInfo, buffer: &gst::BufferRef) -> Result<(Planes, [usize; 2]), InvalidBuffer> {
    let size = [info.height() as usize, info.width() as usize];
    Ok((Planes::new(info, buffer, &Rect::whole(size))?, size))
}
