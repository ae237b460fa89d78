//! The reader of the pad `mask_sink`: it turns GRAY8 buffers into grayscale masks.

use gst_video::{VideoColorRange, VideoColorimetry, VideoInfo};

use crate::propainter::{
    masks::{
        diagnostics::Diagnostic,
        fit::pixel_aspect,
        luma_analysis::{LossyCodec, LumaAnalysis},
        orientation::Orientation,
        threshold::{GrayMask, GrayMaskInfo},
    },
    video::{converter::read_gray, layout::error::InvalidBuffer},
};

/// What is known of the stream of masks.
#[derive(Default)]
pub struct MaskReader {
    stream_id: String,
    colorimetry: Option<VideoColorimetry>,
    luma: LumaAnalysis,
    /// How players show the masks.
    pub orientation: Orientation,
}

impl MaskReader {
    /// Begins a stream and returns whether it is another one than before.
    pub fn start(&mut self, stream_id: &str) -> bool {
        let another = self.stream_id != stream_id;
        *self = Self {
            stream_id: stream_id.to_owned(),
            ..Self::default()
        };
        another
    }

    /// Reads the mask in a buffer of these caps.
    ///
    /// # Errors
    /// The buffer cannot be read, or is too small for its caps.
    pub fn read(
        &mut self,
        info: &VideoInfo,
        buffer: &gst::BufferRef,
    ) -> Result<(GrayMask, Vec<Diagnostic>), InvalidBuffer> {
        let mut luma = read_gray(info, buffer)?;
        let colorimetry = info.colorimetry();
        if self.colorimetry.replace(colorimetry) != Some(colorimetry) {
            self.luma = LumaAnalysis::default();
        }
        // Caps of limited range are right. Caps of full range may belong to luma that was copied.
        let limited = colorimetry.range() == VideoColorRange::Range16_235;
        self.luma.normalize(&mut luma, limited, LossyCodec::Maybe);
        let mask_info = GrayMaskInfo {
            noise: self.luma.noise(),
            orientation: self.orientation,
            pixel_aspect: pixel_aspect(info.par()),
            ..GrayMaskInfo::default()
        };
        let (width, height) = (info.width() as usize, info.height() as usize);
        Ok((
            GrayMask::new(width, height, luma, mask_info),
            self.luma.take_findings("mask_sink"),
        ))
    }
}
