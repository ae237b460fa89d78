//! Entry points for fuzzing and tests: what the element does with bytes from outside, without an
//! element around it.

use std::{io::Cursor, path::PathBuf, sync::Arc};

use gst::subclass::prelude::*;
use gst_video::VideoInfo;
use propainter::{Config, Error, Frame, InpaintedFrame, Mask};

use crate::propainter::{
    Propainter,
    masks::{
        image_file::{ImageTraits, decode},
        image_sequence::FilePattern,
        orientation::Orientation,
        per_frame::regions_of_interest,
        threshold::{Threshold, ThresholdCache},
    },
    video::converter::{Converter, read_gray},
};

/// Returns the mask in an image file of these bytes.
pub fn mask_image(bytes: &[u8], threshold: u8, invert: bool) -> Option<Arc<Mask>> {
    let image = decode(Cursor::new(bytes)).ok()?;
    let (gray, _) = image.into_gray(&mut ImageTraits::default(), true);
    let threshold = Threshold {
        level: threshold,
        invert,
    };
    let mut cache = ThresholdCache::default();
    let (mask, _) = cache.apply(&Arc::new(gray), threshold, Orientation::IDENTITY);
    Some(mask)
}

/// Returns the file that `mask-location` names for a frame.
pub fn mask_file(location: &str, number: u64) -> PathBuf {
    FilePattern::parse(location).file(number)
}

/// Returns the number of regions of interest of the buffer that have one of these types.
pub fn mask_rois(buffer: &gst::BufferRef, types: &str) -> usize {
    regions_of_interest(buffer, types).count()
}

/// Returns the configuration of a session by the element's properties.
///
/// # Errors
/// The properties are invalid.
pub fn config(element: &Propainter, live: bool) -> Result<Config, Error> {
    let shared = element.imp().shared();
    shared.settings.lock().config((64, 48), live)
}

/// Returns the luma of a buffer of `mask_sink`.
pub fn mask_luma(info: &VideoInfo, buffer: &gst::BufferRef) -> Option<Vec<u8>> {
    read_gray(info, buffer).ok()
}

/// Returns the frame in a buffer and the mask from its alpha; `None` for a format that is not
/// supported.
pub fn read(
    info: &VideoInfo,
    buffer: &gst::BufferRef,
    alpha_threshold: Option<u8>,
) -> Option<(Option<Frame>, Option<Mask>)> {
    let converter = Arc::new(Converter::new(info)?).with_alpha_threshold(alpha_threshold);
    let mask = converter.alpha_mask(buffer).ok().flatten();
    Some((converter.read(buffer).ok(), mask))
}

/// Fills `hole` with one colour and returns whether the buffer could be written.
pub fn write(
    info: &VideoInfo,
    buffer: &mut gst::BufferRef,
    hole: Mask,
    alpha_threshold: Option<u8>,
) -> bool {
    let Some(converter) = Converter::new(info) else {
        return false;
    };
    let converter = Arc::new(converter).with_alpha_threshold(alpha_threshold);
    let (width, height) = (hole.width(), hole.height());
    let frame = Frame::new(width, height, vec![77; 3 * width * height]);
    converter
        .write(buffer, &InpaintedFrame { frame, hole })
        .is_ok()
}
