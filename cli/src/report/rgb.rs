//! Frames of any format as RGB.

use gst_video::prelude::*;
use propainter::Frame;

/// Converts frames of one format and size to RGB, and keeps its converter for the next frame.
#[derive(Default)]
pub struct ToRgb(Option<(gst_video::VideoInfo, gst_video::VideoConverter)>);

impl ToRgb {
    /// Converts a buffer; `None` where that is not possible.
    pub fn convert(
        &mut self,
        buffer: &gst::BufferRef,
        info: &gst_video::VideoInfo,
    ) -> Option<Frame> {
        let (width, height) = (info.width(), info.height());
        let format = gst_video::VideoFormat::Rgb;
        let wanted = gst_video::VideoInfo::builder(format, width, height);
        // The converter requires equal frame rates.
        let wanted = wanted.fps(info.fps()).build().ok()?;
        if !self.0.as_ref().is_some_and(|(of, _)| of == info) {
            let converter = gst_video::VideoConverter::new(info, &wanted, None).ok()?;
            self.0 = Some((info.clone(), converter));
        }
        let (_, converter) = self.0.as_ref()?;
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info).ok()?;
        let memory = gst::Buffer::with_size(wanted.size()).ok()?;
        let mut converted = gst_video::VideoFrame::from_buffer_writable(memory, &wanted).ok()?;
        converter.frame_ref(&frame, &mut converted.as_mut_video_frame_ref());
        let (width, height) = (width as usize, height as usize);
        let stride = usize::try_from(converted.plane_stride()[0]).ok()?;
        let rows = converted.plane_data(0).ok()?.chunks(stride).take(height);
        let data = rows.flat_map(|row| &row[..3 * width]).copied().collect();
        Some(Frame::new(width, height, data))
    }
}
