//! The colour model of samples: how they become RGB, and RGB becomes them.

use gst_video::{VideoColorRange, VideoInfo};
use propainter::InpaintedFrame;

use crate::propainter::video::{
    channels::RgbChannels,
    layout::{Component, sample::Sample},
    packed,
    planar::{Subsampling, Yuv},
};

/// The colour model of the samples.
#[derive(Clone, Copy, Debug)]
pub enum ColorModel {
    /// A pixel has `step` bytes; red, green and blue are at these offsets.
    Packed {
        step: usize,
        rgb: [usize; 3],
    },
    Rgb(RgbChannels),
    Yuv(Yuv),
}

impl ColorModel {
    /// Returns the colour model of frames of these caps.
    pub fn of(info: &VideoInfo) -> Self {
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

    /// Reads samples, which have at most 12 bits in YUV, into RGB.
    pub fn read<S: Sample>(
        self,
        sample: S,
        bytes: &[u8],
        components: [Component; 3],
        out: &mut [u8],
    ) {
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

    /// Writes the fill into samples.
    pub fn write<S: Sample>(
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
