//! A frame that is being read.

use std::sync::Arc;

use propainter::{Frame, Mask, Rect};

use crate::propainter::video::{
    converter::Converter,
    device::{planes::Planes, transfer::Download},
    layout::error::InvalidBuffer,
};

/// A frame that was read, or is on its way from a device.
#[derive(Clone, Debug)]
pub enum Reading {
    Done(Frame),
    Coming(Arc<Coming>),
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
        let info = converter.info();
        let whole = Rect::whole([info.height() as usize, info.width() as usize]);
        let planes = Planes::new(info, buffer, &whole)?;
        let download = device.read(buffer, &planes.rows).map_err(InvalidBuffer)?;
        Ok(Self::Coming(Arc::new(Coming {
            planes,
            download,
            converter: converter.clone(),
        })))
    }

    /// Returns the frame in RGB; waits for it if need be.
    ///
    /// # Errors
    /// The device fails.
    pub fn frame(self) -> Result<Frame, InvalidBuffer> {
        match self {
            Self::Done(frame) => Ok(frame),
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
            Self::Coming(_) => Ok(None),
            Self::Done(_) => converter.alpha_mask(buffer),
        }
    }
}
