//! Frames that stay on their device: their samples are copied within it, to where the networks read them.

use std::sync::Arc;

use propainter::{
    Frame,
    internals::{
        cuda::PrimaryContext,
        device_frames::{DevicePixels, DeviceStore, Samples},
    },
};

use crate::propainter::video::device::{
    planes::Planes,
    transfer::{DeviceCopy, DeviceTransfer},
};

/// Where the networks of a session read frames on their device.
#[derive(Debug)]
pub struct DeviceFrames {
    store: Arc<dyn DeviceStore>,
    context: PrimaryContext,
}

/// The samples of a frame on their way within a device.
#[derive(Debug)]
pub struct CopiedFrame {
    /// Dropped first, which waits until the device no longer writes.
    copy: Box<dyn DeviceCopy>,
    pixels: Arc<DevicePixels>,
}

impl DeviceFrames {
    /// Returns the frames of networks that compute on device `index`; `None` if it does not open.
    pub fn new(store: Arc<dyn DeviceStore>, index: usize) -> Option<Self> {
        let context = PrimaryContext::open(index).ok()?;
        Some(Self { store, context })
    }

    /// Begins to copy a whole frame of `size` (rows, columns). Returns `None` if it lies in another
    /// context, or if there is too little memory.
    ///
    /// # Errors
    /// See [`DeviceTransfer::read`].
    pub fn begin(
        &self,
        transfer: &dyn DeviceTransfer,
        buffer: &gst::BufferRef,
        planes: &Planes,
        samples: Samples,
        size: [usize; 2],
    ) -> Result<Option<CopiedFrame>, String> {
        let (context, _) = self.context.handles();
        if !transfer.is_in(buffer, context)? {
            return Ok(None);
        }
        let Some(memory) = self.store.take(planes.size()) else {
            return Ok(None);
        };
        Ok(Some(CopiedFrame {
            copy: transfer.copy(buffer, &planes.rows, memory.address())?,
            pixels: Arc::new(DevicePixels::new(memory, samples, size)),
        }))
    }
}

impl CopiedFrame {
    /// Returns the frame; waits for it if need be.
    ///
    /// # Errors
    /// The device fails.
    pub fn frame(&self) -> Result<Frame, String> {
        self.copy.wait()?;
        Ok(Frame::on_device(self.pixels.clone()))
    }
}
