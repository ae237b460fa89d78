//! The canvas: the frames that go out where the properties `expand-…` add a border. The frame is
//! copied to its place sample by sample, and what the session fills is written around it.

pub mod caps;
mod metas;
mod place;

use std::sync::Arc;

use gst::prelude::*;
use gst_video::VideoInfo;
use propainter::{Border, InpaintedFrame};

use crate::propainter::video::{
    canvas::caps::{Change, changed},
    converter::Converter,
    layout::error::InvalidBuffer,
};

/// The canvas of the frames of one caps.
#[derive(Clone, Debug)]
pub struct Canvas {
    caps: gst::Caps,
    border: Border,
    converter: Arc<Converter>,
    pool: gst::BufferPool,
}

impl Canvas {
    /// Returns the canvas for frames of these caps, which `input` converts.
    ///
    /// # Errors
    /// The frames are in the memory of a GPU, or too large with the border.
    pub fn new(caps: &gst::CapsRef, input: &Converter, border: Border) -> Result<Self, String> {
        if input.is_on_device() {
            return Err(
                "expand-left, -right, -top and -bottom work on frames in the memory of the host; \
                 insert 'cudadownload' before propainter"
                    .to_owned(),
            );
        }
        let border = aligned(border, input.info());
        let caps = changed(caps, Change::Expand, border);
        let too_large = || format!("frames with the border are too large: {caps}");
        let info = VideoInfo::from_caps(&caps).map_err(|_| too_large())?;
        let converter = Converter::new(&info).ok_or_else(too_large)?;
        let size = u32::try_from(info.size()).map_err(|_| too_large())?;
        let pool = gst_video::VideoBufferPool::new();
        let mut config = pool.config();
        config.set_params(Some(&caps), size, 0, 0);
        let active = pool.set_config(config).and_then(|()| pool.set_active(true));
        active.map_err(|_| too_large())?;
        Ok(Self {
            border,
            converter: Arc::new(converter),
            pool: pool.upcast(),
            caps,
        })
    }

    /// Returns the caps of the canvas.
    pub fn caps(&self) -> &gst::Caps {
        &self.caps
    }

    /// Returns the bytes of a canvas.
    pub fn bytes(&self) -> usize {
        self.converter.info().size()
    }

    /// Returns the number of pixels of a canvas.
    pub fn pixels(&self) -> u64 {
        let info = self.converter.info();
        u64::from(info.width()) * u64::from(info.height())
    }

    /// Returns the border in force. It differs from the one that was set where a chroma sample
    /// would have to lie half in the border: then the frame lies up to three pixels farther to the
    /// left or to the top.
    pub fn border(&self) -> Border {
        self.border
    }

    /// Returns a new buffer with a frame, which `input` converts, in its place, and with the fill
    /// written around it. Timestamps, flags and metas are those of the frame; regions of interest
    /// and cropping follow it.
    ///
    /// # Errors
    /// There is no memory, or the buffer cannot be read or is too small for its caps.
    pub fn compose(
        &self,
        input: &Converter,
        buffer: &gst::BufferRef,
        done: &InpaintedFrame,
    ) -> Result<gst::Buffer, InvalidBuffer> {
        let acquired = self.pool.acquire_buffer(None);
        let mut out =
            acquired.map_err(|_| InvalidBuffer("there is no memory for a frame".to_owned()))?;
        let canvas = out.make_mut();
        place::place(input, buffer, &self.converter, canvas, self.border)?;
        let converter = self.converter.with_alpha_threshold(input.alpha_threshold());
        converter.write(canvas, done)?;
        metas::copy(buffer, canvas, self.border);
        Ok(out)
    }
}

impl Drop for Canvas {
    fn drop(&mut self) {
        // Buffers that are still out keep their memory.
        let _ = self.pool.set_active(false);
    }
}

/// Returns the border with the frame moved to where chroma samples begin.
fn aligned(border: Border, info: &VideoInfo) -> Border {
    let format = info.format_info();
    let most = |subsampling: &[u32]| 1 << subsampling.iter().max().copied().unwrap_or(0);
    let (x, y) = (
        border.left % most(format.w_sub()),
        border.top % most(format.h_sub()),
    );
    Border {
        left: border.left - x,
        right: border.right + x,
        top: border.top - y,
        bottom: border.bottom + y,
    }
}

#[cfg(test)]
mod tests {
    use gst_video::VideoFormat;

    use super::*;

    #[test]
    fn a_frame_moves_to_where_chroma_begins_and_the_canvas_keeps_its_size() {
        gst::init().unwrap();
        let border = Border {
            left: 7,
            right: 2,
            top: 3,
            bottom: 0,
        };
        for (format, left, top) in [
            (VideoFormat::Rgb, 7, 3),
            (VideoFormat::Y444, 7, 3),
            (VideoFormat::Yuy2, 6, 3),
            (VideoFormat::I420, 6, 2),
            (VideoFormat::Y41b, 4, 3),
            (VideoFormat::Yuv9, 4, 0),
        ] {
            let info = VideoInfo::builder(format, 64, 48).build().unwrap();
            let aligned = aligned(border, &info);
            assert_eq!((aligned.left, aligned.top), (left, top), "{format:?}");
            assert_eq!(aligned.around((64, 48)), border.around((64, 48)));
        }
    }
}
